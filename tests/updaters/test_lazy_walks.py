"""Walks whose rows wait for their steps: the numbers of dense Adam, under each method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from slowness import slow_but

from asmg_pl.recommenders import DeepFM, Hashed, MatrixFactorization, TwoTower
from asmg_pl.updaters import (
    ADER,
    ASMG,
    EWC,
    SFTL,
    SML,
    SPMF,
    SRIU,
    BatchUpdate,
    DenseEMA,
    FeSAIL,
    IncCTR,
    IncrementalUpdate,
    PrequentialHead,
    ReLoop,
    Retrain,
    SelfTuning,
    Updater,
)
from asmg_pl.updaters.optim.lazy_adam import LazyAdam
from asmg_pl.updaters.optim.lazy_rows import LazyRows, NativeLazyRows

Walk = Callable[..., Updater]

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "IncrementalUpdate": (IncrementalUpdate, {}),
    "clipped": (IncrementalUpdate, {"gradient_clip": 0.05, "table_learning_rate": 3e-3, "passes": 2}),
    "self-tuned": (IncrementalUpdate, {"self_tuning": SelfTuning()}),
    "bf16": (IncrementalUpdate, {"precision": "bf16-mixed"}),
    "guarded, with a head": (ASMG, {"window": 2, "head": PrequentialHead()}),
    "hashed": (IncrementalUpdate, {"recommender": partial(Hashed, users=7, items=9)}),
    "factorized": (IncrementalUpdate, {"recommender": MatrixFactorization}),
    "DeepFM": (IncrementalUpdate, {"recommender": DeepFM}),
    "two towers": (IncrementalUpdate, {"recommender": TwoTower}),
    **{kind.__name__: (kind, {}) for kind in (SML, SPMF, SRIU, FeSAIL, Retrain, DenseEMA, ReLoop, IncCTR, BatchUpdate)},
}


def distance(ours: Any, theirs: Any) -> float:
    """The largest distance of two tensors of one name, relative to their length."""
    pairs = [(ours[name].double(), value.double()) for name, value in theirs.items() if value.is_floating_point()]
    return max(float((one - other).norm() / other.norm()) for one, other in pairs if float(other.norm()) > 1e-6)


@pytest.mark.parametrize("name", slow_but(["IncrementalUpdate", "clipped", "SML"], CASES))
def test_a_walk_has_the_numbers_of_dense_adam(short_walk: Walk, name: str) -> None:
    method, options = CASES[name]
    lazy, dense = (short_walk(method, lazy_tables=lazy, **options) for lazy in (True, False))
    assert isinstance(lazy.trainer.optimizers[0], LazyAdam)
    for period, result in dense.results.items():
        for model, scores in result.scores.items():
            assert lazy.results[period].scores[model]["logloss"] == pytest.approx(scores["logloss"], abs=1e-4)
    assert distance(lazy.recommender.state_dict(), dense.recommender.state_dict()) < 1e-5
    moments = lazy.trainer.optimizers[0].state_dict()["state"], dense.trainer.optimizers[0].state_dict()["state"]
    for number, other in moments[1].items():
        assert distance(moments[0][number], other) < 1e-5


def test_herding_may_choose_another_row_by_rounding_and_all_else_is_near(short_walk: Walk) -> None:
    lazy, dense = (short_walk(ADER, lazy_tables=lazy) for lazy in (True, False))
    assert distance(lazy.recommender.state_dict(), dense.recommender.state_dict()) < 1e-3


@pytest.mark.parametrize("method", [IncrementalUpdate, SML, FeSAIL, ASMG])
def test_no_step_reads_a_whole_table(short_walk: Walk, method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"steps": 0, "whole": 0}
    move, catch_up = LazyAdam.move, LazyRows.catch_up

    def moved(*given: Any) -> None:
        taken["steps"] += 1
        move(*given)

    def caught_up(rows: LazyRows) -> None:
        taken["whole"] += 1
        catch_up(rows)

    monkeypatch.setattr(LazyAdam, "move", moved)
    for kind in (LazyRows, NativeLazyRows):
        monkeypatch.setattr(kind, "catch_up", caught_up)
    updater = short_walk(method, lazy_tables=True)
    tables, phases = len(updater.recommender.tables), 2 + 5  # epochs of pre-training, and updates
    assert taken == {"steps": tables * (2 * 8 + 5 * 4), "whole": tables * phases}


@pytest.mark.parametrize("method", [EWC, SFTL])
def test_a_method_that_reads_whole_tables_in_each_step_takes_dense_steps(short_walk: Walk, method: Any) -> None:
    updater = short_walk(method, lazy_tables=True)
    assert updater.recommender.deferred is None


def test_a_walk_has_the_same_bytes_again(short_walk: Walk) -> None:
    one, two = (short_walk(IncrementalUpdate, lazy_tables=True) for _ in range(2))
    assert repr(one.results) == repr(two.results)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
