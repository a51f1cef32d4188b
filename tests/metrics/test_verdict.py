"""The last line of a walk: the lift over the plain update, and what its interval decides."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from asmg_pl.metrics.paired import interval, lift
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.metrics.verdict import lift_over_plain_update, verdict

NAN = math.nan


def walked(
    plain: Sequence[float], serving: Sequence[float], split: str = "test", diverged: Sequence[int] = ()
) -> list[PeriodResult]:
    """The results of a walk from period 25 on."""
    return [
        PeriodResult(
            *(25 + number, split, 100, 40, 0, 0),
            {"incremental": {"auc": one}, "generated": {"auc": 0.1}, "serving": {"auc": other}},
            {"serving": 3} if 25 + number in diverged else {},
        )
        for number, (one, other) in enumerate(zip(plain, serving, strict=True))
    ]


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        ([0.71, 0.72, 0.73], "+0.0200 AUC (95 % +0.0100 … +0.0300): serve the generated model"),
        ([0.69, 0.68, 0.67], "-0.0200 AUC (95 % -0.0300 … -0.0100): the plain update is better"),
        ([0.70, 0.70, 0.70], "+0.0000 AUC (95 % +0.0000 … +0.0000): no difference that these 3 periods can tell"),
        ([0.71, 0.69, 0.71], "+0.0033 AUC (95 % -0.0100 … +0.0100): no difference that these 3 periods can tell"),
    ],
)
def test_the_lift_its_interval_and_what_it_decides_are_one_sentence(serving: list[float], said: str) -> None:
    assert verdict(walked([0.7] * 3, serving)) == f"lift over the plain update, periods 25 to 27: {said}"


def test_only_test_periods_count_and_periods_without_an_auc_are_left_out() -> None:
    warm_up = walked([0.9] * 2, [0.1] * 2, split="warm-up")
    found = verdict(warm_up + walked([0.7, NAN, 0.7, 0.7], [0.71, NAN, 0.72, 0.73]))
    assert found is not None
    assert found.startswith("lift over the plain update, periods 25 to 28: +0.0200 AUC (95 % +0.01")
    undecided = verdict(walked([0.7, NAN, 0.7, 0.7], [0.71, NAN, 0.69, 0.7]))
    assert undecided is not None
    assert undecided.endswith("no difference that these 3 periods can tell")


def test_a_single_period_has_no_interval_and_decides_nothing() -> None:
    for found in (verdict(walked([0.7], [0.71])), verdict(walked([0.7, NAN], [0.71, NAN]))):
        assert found is not None
        assert found.endswith("+0.0100 AUC: a single period decides nothing")


def test_a_model_that_has_diverged_has_no_lift() -> None:
    results = walked([0.7, 0.7, 0.7], [0.71, 0.72, NAN], diverged=[27])
    assert verdict(results) == (
        "lift over the plain update, periods 25 to 27: none, since a model has diverged in period 27"
    )
    assert verdict(walked([NAN], [NAN])) == (
        "lift over the plain update, period 25: none, since no period defines the AUC (each has rows of one label only)"
    )


def test_without_a_plain_update_or_a_test_period_there_is_no_lift() -> None:
    alone = [PeriodResult(25, "test", 100, 40, 0, 0, {"serving": {"auc": 0.7}})]
    for results in ([], alone, walked([0.7], [0.8], split="warm-up")):
        assert lift_over_plain_update(results) is None
        assert verdict(results) is None


def test_the_lift_is_that_of_the_report_of_the_same_run() -> None:
    random = np.random.default_rng(1)
    plain, serving = random.normal(0.7, 0.02, size=(2, 7)).tolist()
    ours, base = (pl.DataFrame({"seed": 1, "period": range(25, 32), "auc": aucs}) for aucs in (serving, plain))
    assert lift_over_plain_update(walked(plain, serving)) == lift(ours, base)


def test_many_periods_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = np.random.default_rng(2).normal(size=(2, 50))
    at_once = interval(cells, draws=1000)
    monkeypatch.setattr("asmg_pl.metrics.paired._BLOCK", 50 * 7)
    assert interval(cells, draws=1000) == pytest.approx(at_once, abs=1e-12)
