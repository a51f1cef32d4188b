"""ASMG with a guard: candidates, what serves, and generators that break down on the way."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor, nn

import asmg_pl
from asmg_pl.callbacks import PhaseCheckpoint, ServingExport
from asmg_pl.checkpoints.io import newest_first
from asmg_pl.data import Batch, EqualCounts, PeriodDataModule, Sizes
from asmg_pl.data.sources import DriftingStream
from asmg_pl.generators import Generator, ResidualGRU
from asmg_pl.generators.stored import StoredRows
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Hashed, MatrixFactorization, TwoTower
from asmg_pl.serving import open_package
from asmg_pl.updaters import ASMG
from asmg_pl.updaters.guarding.blend import blended, logits_between
from asmg_pl.updaters.guarding.guard import Choice, Guard
from asmg_pl.updaters.scoring import diverged

SIZES = Sizes(users=60, items=80, categories=30)


@dataclass(frozen=True)
class Turns(Guard):
    """One that lets the candidates serve in turns, whatever they score."""

    def choose(self, results: Mapping[int, PeriodResult]) -> Choice:
        headed = any("headed" in result.scores for result in results.values())
        names = ["incremental", "generated", "blend_0.5", *["headed"] * headed]
        return Choice(names[len(results) % len(names)], "in turns")


def stream(rows: int = 420) -> PeriodDataModule:
    source = DriftingStream(users=15, items=20, rows=rows, categories=3)
    return PeriodDataModule(source, periods=EqualCounts(rows // 60), batch_size=16, history_size=5)


def walk(folder: Path | None = None, data: PeriodDataModule | None = None, **options: Any) -> asmg_pl.Walk:
    """Seven periods of 60 rows, of which two pre-train; the generator is trained from period 5 on."""
    run = {name: options.pop(name) for name in ("until", "resume", "callbacks") if name in options}
    given: dict[str, Any] = {"window": 2, "pretrain_periods": 2, "pretrain_epochs": 2, "test_from": 6} | options
    trainer: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
    return asmg_pl.walk(partial(ASMG, **given), data or stream(), folder, **run, **trainer)


def randomized(model: nn.Module) -> None:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)


def batch_of(data: PeriodDataModule, rows: int = 50) -> Batch:
    return data.log.batch(torch.arange(rows), history_size=5)


@pytest.mark.parametrize("kind", [EmbeddingMLP, MatrixFactorization, DeepFM, TwoTower, partial(Hashed, users=4)])
def test_a_blend_is_scored_as_the_whole_model_that_it_stands_for(kind: Any) -> None:
    data = stream()
    updater = ASMG(data.sizes, recommender=kind)
    randomized(updater.recommender)
    randomized(updater.generated)
    for rows in (50, 1):  # many ids and few ones are looked up in two ways
        batch = batch_of(data, rows)
        found = logits_between(updater.recommender, updater.generated, [0.25, 0.5], batch)
        for alpha in (0.0, 0.25, 0.5, 1.0):
            whole = blended(updater.recommender, updater.generated, alpha)
            torch.testing.assert_close(found[alpha], whole(batch), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(found[0.5], updater.recommender(batch), atol=1e-3)


def test_a_whole_blend_lies_between_and_changes_neither_end() -> None:
    updater = ASMG(SIZES)
    randomized(updater.generated)
    before = [value.clone() for value in updater.state_dict().values() if isinstance(value, Tensor)]
    middle = blended(updater.recommender, updater.generated, 0.5)
    ends = zip(updater.recommender.parameters(), updater.generated.parameters(), strict=True)
    for value, (one, other) in zip(middle.parameters(), ends, strict=True):
        torch.testing.assert_close(value, (one + other) / 2)
    after = [value for value in updater.state_dict().values() if isinstance(value, Tensor)]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_the_scores_of_what_serves_are_those_of_the_chosen_candidate_in_every_period() -> None:
    results = walk(guard=Turns()).updater.results
    assert [result.served for result in results.values()] == [
        *("incremental", "generated", "blend_0.5", "incremental", "generated")
    ]
    for result in results.values():
        assert repr(result.scores["serving"]) == repr(result.scores[result.served or ""])
        assert list(result.scores) == ["incremental", "generated", "blend_0.5", "serving"]
    assert len({repr(scores) for scores in results[7].scores.values()}) == 3, "three models of their own"
    assert repr(results[3].scores["blend_0.5"]) == repr(results[3].scores["incremental"]), "before the generator began"


def test_without_a_guard_the_generated_model_serves_and_no_number_changes() -> None:
    guarded, plain = walk().updater.results, walk(guard=None).updater.results
    for period, result in plain.items():
        assert list(result.scores) == ["incremental", "serving"]
        assert repr(result.scores["incremental"]) == repr(guarded[period].scores["incremental"])
        assert repr(result.scores["serving"]) == repr(guarded[period].scores["generated"])
        assert result.served is None
        assert "served" not in result.flat()


def test_a_guard_does_not_touch_what_is_trained() -> None:
    guarded, plain = (walk(guard=guard).updater.state_dict() for guard in (Turns(), None))
    for name, value in plain.items():
        assert not isinstance(value, Tensor) or torch.equal(value, guarded[name])


def test_the_choice_stands_in_metrics_csv_and_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk(tmp_path, guard=Turns())
    table = pl.read_csv(tmp_path / "metrics.csv")
    assert table["served"].to_list() == ["incremental", "generated", "blend_0.5", "incremental", "generated"]
    assert set(table["why"]) == {"in turns"}
    assert table["regret"].is_not_nan().all()
    shown = [line.strip() for line in capsys.readouterr().out.splitlines() if "serves from here on" in line]
    assert shown == [
        f"{name} serves from here on: in turns" for name in ("generated", "blend_0.5", "incremental", "generated")
    ]


def test_loggers_get_numbers_of_the_choice() -> None:
    result = walk(guard=Turns()).updater.results[5]
    assert result.logged()["guard/served"] == 2
    assert result.logged()["guard/regret"] == result.regret


@pytest.mark.parametrize("until", [5, 6, 7])
def test_what_is_exported_and_handed_out_is_what_the_next_period_is_scored_with(tmp_path: Path, until: int) -> None:
    """After period 5, 6 and 7 the three candidates serve in turns."""
    done = walk(tmp_path, guard=Turns(), until=until, callbacks=[ServingExport(keep=1)])
    updater, batch = done.updater, batch_of(done.data, 60)
    assert isinstance(updater, ASMG)
    served = updater.guard.choose(updater.results).served  # type: ignore[union-attr]
    expected = updater.logits(batch)[served]
    torch.testing.assert_close(done.serving(batch), expected, atol=1e-6, rtol=1e-6)
    package = open_package(tmp_path / "serving" / f"after-period-00000{until}")
    model = package.served()
    assert package.manifest.choice == {"served": served, "why": "in turns"}
    torch.testing.assert_close(model(batch), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("guard", [Turns(), pytest.param(Guard(margin=0.0, periods=2), marks=pytest.mark.slow)])
def test_a_walk_that_is_resumed_after_any_phase_chooses_as_the_whole_one(tmp_path: Path, guard: Guard) -> None:
    whole = walk(tmp_path / "whole", guard=guard, callbacks=[PhaseCheckpoint(keep=-1)])
    for checkpoint in newest_first(tmp_path / "whole" / "checkpoints"):
        if "period-000002" in checkpoint.name:
            continue
        again = walk(tmp_path / checkpoint.stem, guard=guard, resume=checkpoint)
        assert repr(again.updater.results) == repr(whole.updater.results)
    walk(tmp_path / "phases", guard=guard, until=5)
    parts = walk(tmp_path / "phases", guard=guard, resume=True)
    assert (tmp_path / "phases" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    assert repr(parts.updater.results) == repr(whole.updater.results)


def test_an_evaluation_serves_what_the_checkpoint_has_chosen(tmp_path: Path) -> None:
    done = walk(tmp_path, guard=Turns(), until=5)
    updater = done.updater
    done.trainer.validate(updater, datamodule=done.data, verbose=False)
    (found,) = updater.evaluation.values()
    expected = walk(guard=Turns(), until=6).updater.results[6]
    assert (found.period, found.served) == (6, "incremental")
    assert found.scores["serving"] == pytest.approx(expected.scores["serving"], nan_ok=True)


class Breaking(ResidualGRU):
    """A generator whose generated rows are constant or not finite in its first ``times`` models."""

    value: float = math.nan
    left = 1

    def write_newest(self, name: str, rows: StoredRows, to: Tensor, chunk_rows: int) -> None:
        super().write_newest(name, rows, to, chunk_rows)
        if self.left:
            to.mul_(self.value)

    def generate_stored_dense(self, stored: StoredRows) -> Tensor:
        found = super().generate_stored_dense(stored)
        if torch.is_grad_enabled() or self.left == 0:
            return found
        self.left -= 1
        return found * self.value


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_a_generated_model_that_is_not_finite_or_constant_serves_in_no_period(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    class Own(Breaking):
        pass

    Own.value = value
    with caplog.at_level(logging.WARNING, "asmg_pl"):
        updater = walk(generator=Own, guard=Guard(margin=0.0, periods=2)).updater
    results = updater.results
    assert results[6].scores["generated"] == results[6].scores["incremental"], "θ* is the incremental model again"
    assert results[7].scores["generated"] != results[7].scores["incremental"], "and the generator learns anew"
    assert all(not result.diverged and not result.constant for result in results.values())
    said = [record.message for record in caplog.records if "broken down" in record.message]
    assert len(said) == 1
    assert ("one score" in said[0]) == (value == 0.0)


def test_a_generator_that_breaks_down_again_and_again_is_told_once_and_the_incremental_model_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "asmg_pl"):
        updater = walk(generator_learning_rate=1e38).updater
    plain = walk(guard=None, generator_learning_rate=1e-4).updater
    for period, result in updater.results.items():
        assert result.served == "incremental"
        assert repr(result.scores["serving"]) == repr(plain.results[period].scores["incremental"])
    assert len([record for record in caplog.records if "broken down" in record.message]) == 1
    tensors = [value for value in updater.state_dict().values() if isinstance(value, Tensor)]
    assert all(value.isfinite().all() for value in tensors)


@pytest.mark.slow
def test_a_walk_whose_generator_has_broken_down_resumes_as_if_nothing_had_happened(tmp_path: Path) -> None:
    options: dict[str, Any] = {"generator_learning_rate": 1e38}
    whole = walk(tmp_path / "whole", **options, callbacks=[PhaseCheckpoint(keep=-1)])
    for checkpoint in newest_first(tmp_path / "whole" / "checkpoints")[:5]:
        again = walk(tmp_path / checkpoint.stem, **options, resume=checkpoint)
        assert repr(again.updater.results) == repr(whole.updater.results)
        for name, value in again.updater.state_dict().items():
            assert not isinstance(value, Tensor) or torch.equal(value, whole.updater.state_dict()[name])


class Odd(EmbeddingMLP):
    """It gives the rows of user 0 no finite score, while it is odd, although its parameters are finite."""

    odd = False

    def forward(self, batch: Batch, lookups: Any = None) -> Tensor:
        logits = super().forward(batch, lookups)
        return torch.where(batch.user == 0, torch.inf, logits) if self.odd else logits


def test_where_the_chosen_score_is_not_finite_the_incremental_model_answers() -> None:
    data = stream()
    updater, batch = ASMG(data.sizes, recommender=Odd, guard=Turns()), batch_of(data)
    randomized(updater.generated)
    updater.generated.odd = True  # type: ignore[assignment]
    updater.results[3] = PeriodResult(3, "warm-up", 1, 1, 0, 0, {"incremental": {}})  # so that the generated one serves
    found, ours = updater.logits(batch), batch.user == 0
    assert 0 < ours.sum() < len(ours)
    assert torch.equal(found["serving"][ours], found["incremental"][ours])
    assert torch.equal(found["serving"][~ours], found["generated"][~ours])


def test_scores_that_are_not_finite_do_not_stop_the_walk() -> None:
    updater = walk(recommender=Odd).updater
    assert isinstance(updater, ASMG)
    result = replace(updater.results[7], diverged={"generated": 3, "blend_0.5": 1})
    assert diverged(result) == []
    assert len(diverged(replace(result, diverged={"incremental": 3}))) == 1
    assert len(diverged(replace(result, served=None))) == 2


def test_a_base_model_that_diverges_still_stops_the_walk() -> None:
    from asmg_pl.errors import DivergedError

    with pytest.raises(DivergedError, match="update"):
        walk(learning_rate=1e30, pretrain_learning_rate=1e-3)


def test_any_generator_may_be_guarded() -> None:
    class Still(Generator):
        hidden_size = 0

        def __init__(self, shapes: Any) -> None:
            super().__init__()
            self.share = nn.Parameter(torch.zeros(()))

        def dense(self, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
            return window + 0 * self.share, hidden.expand(len(window), *hidden.shape)

        def table(self, name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
            return self.dense(window, hidden)

    results = walk(generator=Still, guard=Guard(margin=0.0, periods=2)).updater.results
    assert {result.served for result in results.values()} == {"incremental"}, "identity is no better than itself"
