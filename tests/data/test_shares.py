"""Mini-batches shared out over processes: the rows are those of a single process, each with one process."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from asmg_pl.data import Batch, EqualCounts, PeriodDataModule, Reading
from asmg_pl.data.batch import RankShare
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import DriftingStream


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5, 11])
@pytest.mark.parametrize("shares", [1, 2, 4])
def test_shares_follow_each_other_and_differ_by_at_most_one_row(rows: int, shares: int) -> None:
    parts = [RankShare.take(torch.arange(rows), number, shares) for number in range(shares)]
    assert torch.cat(parts).tolist() == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def mini_batches(reading: Reading, rank: int = 0, ranks: int = 1, positives: bool = False) -> list[tuple[Batch, ...]]:
    """What a process gets in a pass along periods of 61 rows, with mini-batches of 12: the last one has a row."""

    class Positives(DriftingStream):
        def read(self, root: Any) -> Any:
            log = super().read(root)
            log.parts[0].label.fill_(1)
            return log

    stream = (Positives if positives else DriftingStream)(users=15, items=40, rows=244, categories=3)
    negatives = Fresh(per_positive=2) if positives else None
    data = PeriodDataModule(
        stream, periods=EqualCounts(4), batch_size=12, scoring_batch_size=25, history_size=3, negatives=negatives
    )
    device = SimpleNamespace(root_device=torch.device("cpu"))
    data.trainer = SimpleNamespace(global_rank=rank, world_size=ranks, strategy=device)  # type: ignore[assignment]
    data.reading = reading
    return [batch if type(batch) is tuple else (batch,) for batch in data.train_dataloader()]  # type: ignore[misc]


READINGS = {
    "an update": Reading("update", 3, (3,)),
    "scoring": Reading("score", 3, (3,), training=False),
    "periods side by side": Reading("generate", 3, (2, 3), side_by_side=True),
    "rows beside a period": Reading("update", 3, (3,), beside=torch.arange(7)),
    "chosen rows": Reading("rank", 3, (3,), training=False, rows=torch.arange(30, 3, -1)),
}


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("positives", [False, True], ids=["", "with negatives"])
def test_all_shares_together_are_the_mini_batch_of_a_single_process(
    reading: Reading, ranks: int, positives: bool
) -> None:
    whole = mini_batches(reading, positives=positives)
    shared = [mini_batches(reading, rank, ranks, positives) for rank in range(ranks)]
    assert {len(batches) for batches in shared} == {len(whole)}
    columns: list[Callable[[Batch], Tensor]] = [
        *(lambda b: b.user, lambda b: b.item, lambda b: b.history, lambda b: b.history_length, lambda b: b.label)
    ]
    for expected, *shares in zip(whole, *shared, strict=True):
        for batch, *parts in zip(expected, *shares, strict=True):
            for column in columns:
                assert torch.equal(torch.cat([column(part) for part in parts]), column(batch))
            assert batch.share is None
            assert {part.share for part in parts} == {RankShare(len(batch.label), ranks)}
            assert {part.total for part in parts} == {batch.total}


def test_a_tail_smaller_than_the_number_of_processes_leaves_some_without_rows() -> None:
    last = [mini_batches(READINGS["an update"], rank, 4)[-1][0] for rank in range(4)]
    assert [len(batch.label) for batch in last] == [1, 0, 0, 0]
