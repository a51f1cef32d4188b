"""No row of a period can change the model that is scored on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from end_to_end.program import PERIODS, ROWS, Asmg, last_checkpoint, movies, ratings

from asmg_pl.data import Batch, EqualCounts, InteractionLog, PeriodDataModule
from asmg_pl.data.sources import MovieLens
from asmg_pl.metrics import Scoreboard
from asmg_pl.updaters import ASMG

PERIOD = 11
SIZE = ROWS // PERIODS
WriteStream = Callable[[pl.DataFrame, pl.DataFrame], Path]


def perturb(rows: pl.DataFrame, period: int) -> pl.DataFrame:
    """Turn half of the users' ratings of one period round, and let them rate other items."""
    place = pl.int_range(pl.len())
    chosen = (place // SIZE + 1 == period) & (pl.col("userId") % 2 == 0)
    return rows.with_columns(
        rating=pl.when(chosen).then(5.5 - pl.col("rating")).otherwise(pl.col("rating")),
        movieId=pl.when(chosen).then(pl.col("movieId").reverse()).otherwise(pl.col("movieId")),
    )


def state(folder: Path) -> dict[str, Any]:
    """All that the newest checkpoint holds of models, generator and history."""
    return torch.load(last_checkpoint(folder), weights_only=True)["state_dict"]


def scores(folder: Path, log: InteractionLog, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the incremental and the serving model of a checkpoint."""
    updater = ASMG(log.sizes, window=2)
    updater.load_state_dict(state(folder))
    batch = log.batch(rows, 5)
    with torch.no_grad():
        return updater.recommender(batch), updater.generated(batch)


def walk_and_score(fit: Asmg, folder: Path, root: Path, until: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Walk up to a period and score the next period's rows of users that the perturbation leaves alone."""
    finished = fit(folder, "--loop.until", until, root=root)
    assert finished.code == 0, finished.err
    log = PeriodDataModule(MovieLens(), root=str(root), periods=EqualCounts(PERIODS)).log
    rows = torch.arange(until * SIZE, (until + 1) * SIZE)
    user = torch.tensor(ratings()["userId"].to_list())[rows]
    return scores(folder, log, rows[user % 2 == 1])


@pytest.mark.slow
def test_a_period_cannot_change_the_model_that_is_scored_on_it(
    fit: Asmg, write_stream: WriteStream, tmp_path: Path
) -> None:
    original = write_stream(ratings(), movies())
    perturbed = write_stream(perturb(ratings(), PERIOD), movies())
    first = walk_and_score(fit, tmp_path / "first", original, PERIOD - 1)
    second = walk_and_score(fit, tmp_path / "second", perturbed, PERIOD - 1)
    for one, two in zip(first, second, strict=True):
        assert len(one) > 50
        assert torch.equal(one, two)
    assert not torch.equal(*first), "the generator has been trained"
    before, after = state(tmp_path / "first"), state(tmp_path / "second")
    assert before.keys() == after.keys()
    tensors = [name for name, value in before.items() if isinstance(value, torch.Tensor)]
    assert {name.split(".")[0] for name in tensors} == {"recommender", "generated", "generator", "history", "trained"}
    assert [name for name in tensors if not torch.equal(before[name], after[name])] == []


@pytest.mark.slow
@pytest.mark.parametrize("period", [PERIOD - 1, 3])
def test_a_period_does_change_the_models_that_come_after_it(
    fit: Asmg, write_stream: WriteStream, tmp_path: Path, period: int
) -> None:
    """The counterpart, without which the test above might see nothing at all."""
    original = write_stream(ratings(), movies())
    perturbed = write_stream(perturb(ratings(), period), movies())
    first = walk_and_score(fit, tmp_path / "first", original, PERIOD - 1)
    second = walk_and_score(fit, tmp_path / "second", perturbed, PERIOD - 1)
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    before, after = state(tmp_path / "first"), state(tmp_path / "second")
    tensors = {name for name, value in before.items() if isinstance(value, torch.Tensor)}
    changed = {name for name in tensors if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} == {"recommender", "generated", "generator", "history"}


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, str], torch.Tensor]:
    """The logits that a walk itself gives a period's rows, in their order, by period and model."""
    found: dict[tuple[int, str], torch.Tensor] = {}
    update = Scoreboard.update

    def note(board: Scoreboard, period: int, logits: Mapping[str, torch.Tensor], batch: Batch) -> None:
        for model, values in logits.items():
            found[period, model] = torch.cat([found.get((period, model), values[:0]), values])
        update(board, period, logits, batch)

    monkeypatch.setattr(Scoreboard, "update", note)
    return found


@pytest.mark.slow
def test_the_walk_scores_a_period_before_anything_is_trained_on_it(
    fit: Asmg, write_stream: WriteStream, tmp_path: Path, scored: dict[tuple[int, str], torch.Tensor]
) -> None:
    walks = []
    for name, rows in [("first", ratings()), ("second", perturb(ratings(), PERIOD))]:
        scored.clear()
        assert fit(tmp_path / name, "--loop.until", PERIOD + 1, root=write_stream(rows, movies())).code == 0
        walks.append(dict(scored))
    first, second = walks
    alone = torch.tensor(ratings()["userId"].to_list())[(PERIOD - 1) * SIZE : PERIOD * SIZE] % 2 == 1
    assert 50 < alone.sum() < 150
    for model in ("incremental", "serving"):
        assert len(first[PERIOD, model]) == SIZE
        for period in range(5, PERIOD):
            assert torch.equal(first[period, model], second[period, model])
        assert torch.equal(first[PERIOD, model][alone], second[PERIOD, model][alone])
        # The rows that are turned round have other scores, and all rows have once the models have seen them.
        assert not torch.equal(first[PERIOD, model][~alone], second[PERIOD, model][~alone])
        assert (first[PERIOD + 1, model] != second[PERIOD + 1, model]).float().mean() > 0.9
    tables = [
        pl.read_csv(tmp_path / name / "metrics.csv").filter(pl.col("period") < PERIOD) for name in ("first", "second")
    ]
    assert tables[0].equals(tables[1])
