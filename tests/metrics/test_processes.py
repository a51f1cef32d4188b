"""Scores over two processes: each gets those of all rows, however the rows were shared out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from metrics import one_rank
from metrics.brute import KNOWN, MODELS, expected, repeated
from patience import PATIENCE

from asmg_pl.metrics import Scoreboard

pytestmark = pytest.mark.slow

Results = list[dict[str, Any]]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What each of the two processes wrote, by period."""
    folder, path = tmp_path_factory.mktemp("ranks"), [*sys.path]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path)}
    processes = [
        subprocess.Popen([sys.executable, one_rank.__file__, str(rank), str(folder)], env=environment)
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=PATIENCE) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("period", one_rank.SHARDS)
def test_each_process_has_the_result_of_all_rows(ranks: Results, period: int) -> None:
    board = Scoreboard(lambda period: KNOWN)
    logits, batch = one_rank.given(period)
    board.update(period, logits, batch)
    alone = vars(board.take(period, "test"))
    logits, batch = repeated(logits, batch) if period in one_rank.WEIGHTED else (logits, batch)
    first, second = (results[str(period)] for results in ranks)
    assert first == second
    for model in MODELS:
        scores = first["scores"].pop(model)
        assert scores["auc"] == alone["scores"][model]["auc"]
        assert scores == pytest.approx(alone["scores"].pop(model), rel=1e-14, abs=0)
        assert scores == pytest.approx(expected(logits[model], batch), rel=1e-12)
    assert first == alone
