"""One of two processes that score a period together: python one_rank.py RANK FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch.distributed as dist
from metrics.brute import KNOWN, part, rows, weighted
from torch import Tensor

from asmg_pl.data import Batch
from asmg_pl.metrics import Scoreboard

#: The rows, of 501, that each rank has; by period.
SHARDS = {
    1: [(0, 100), (100, 501)],
    2: [(0, 0), (0, 501)],
    3: [(0, 501), (501, 501)],
    4: [(0, 500), (500, 501)],
    5: [(0, 100), (100, 501)],
    6: [(0, 0), (0, 501)],
}

#: The periods whose rows have weights.
WEIGHTED = (5, 6)


def given(period: int) -> tuple[dict[str, Tensor], Batch]:
    """All rows of a period with their logits."""
    logits, batch = rows(period)
    return logits, weighted(batch) if period in WEIGHTED else batch


def main(rank: int, folder: Path) -> None:
    """Score this rank's rows in mini-batches and write the results of all rows."""
    dist.init_process_group("gloo", f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    board = Scoreboard(lambda period: KNOWN)
    results = {}
    for period, shards in SHARDS.items():
        begin, end = shards[rank]
        for first in range(begin, max(end, begin + 1), 64):  # without rows, a single batch of none
            board.update(period, *part(*given(period), first, min(first + 64, end)))
        results[period] = vars(board.take(period, "test"))
    (folder / f"rank-{rank}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
