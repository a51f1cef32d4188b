"""The gate: what is compared, and which reasons hold a version back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from asmg_pl.errors import ConfigError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.operations.gate import Gate, compare, pooled_calibration


def result(
    period: int,
    serving: float = 0.6,
    published: float | None = None,
    calibration: float = 1.0,
    positives: int = 40,
    rows: int = 100,
    split: str = "test",
) -> PeriodResult:
    known = {"serving": serving} | ({} if published is None else {"published": published})
    scores = {"serving": {"logloss": serving, "calibration": calibration}}
    return PeriodResult(period, split, rows, positives, 0, 0, scores, known_logloss=known)


def test_a_version_that_is_worse_by_more_than_the_margin_is_held_back() -> None:
    walked = [result(31, 0.63, 0.60), result(32, 0.61, 0.60)]  # by 0.02 in the mean
    assert not Gate(margin=0.021).judge(walked).held
    judgement = Gate(margin=0.019).judge(walked)
    assert judgement.compared == (31, 32)
    assert judgement.difference == pytest.approx(0.02)
    assert judgement.held == (
        "LogLoss is worse than that of the published version by 0.0200 in the mean of periods 31 to 32, margin 0.019",
    )


def test_only_the_latest_periods_count() -> None:
    walked = [result(30, 0.9, 0.5), result(31, 0.6, 0.6001), result(32, 0.6, 0.6001)]
    assert Gate(periods=3).judge(walked).held
    assert Gate(periods=2).judge(walked).compared == (31, 32)
    assert not Gate(periods=2).judge(walked).held


def test_a_period_on_which_both_are_one_model_says_nothing() -> None:
    """It would halve what the other period says."""
    walked = [result(31, 0.60, 0.60), result(32, 0.62, 0.60)]
    assert compare(walked)[0] == (32,)
    assert Gate(margin=0.015).judge(walked).held


def test_periods_that_the_published_version_has_seen_are_not_compared() -> None:
    judgement = Gate().judge([result(30), result(31)])
    assert (judgement.compared, judgement.difference, judgement.held) == ((), None, ())
    assert "no period to compare" in judgement.shown()


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_holds_back_and_is_no_difference(loss: float) -> None:
    judgement = Gate().judge([result(31, 0.6, 0.61), result(32, loss, 0.6, calibration=math.nan)])
    assert judgement.compared == (31,)
    assert "the serving model's LogLoss is not finite in period 32" in judgement.held


def test_a_published_version_that_has_diverged_is_no_reason_to_keep_it() -> None:
    assert not Gate().judge([result(31, 0.6, math.nan)]).held


@pytest.mark.parametrize(("ratio", "held"), [(0.49, True), (0.5, False), (2.0, False), (2.01, True), (math.nan, True)])
def test_calibration_must_be_within_its_bounds(ratio: float, held: bool) -> None:
    assert bool(Gate().judge([result(31, calibration=ratio)]).held) is held
    assert bool(Gate().judge([result(31)], newest=result(31, calibration=ratio)).held) is held


def test_calibration_is_that_of_all_rows_of_the_periods_together() -> None:
    # 90 rows expected to be positive of 60 that are, and 10 of 40: 100 of 100.
    assert pooled_calibration([result(31, calibration=1.5, positives=60), result(32, calibration=0.25)]) == 1.0
    assert pooled_calibration([result(31, positives=0, calibration=math.nan)]) is None


def test_answers_of_the_new_version_that_are_not_finite_hold_it_back() -> None:
    assert Gate().judge([result(31)], newest=result(31, math.nan)).held == (
        "the new version's answers to period 31 are not finite",
    )


def test_the_loss_on_rows_that_the_new_version_was_trained_on_decides_nothing() -> None:
    assert not Gate(margin=0).judge([result(31, 0.6, 0.61)], newest=result(31, 5.0)).held


def test_periods_without_rows_and_the_one_that_chose_the_epoch_count_nowhere() -> None:
    empty = result(31, math.nan, rows=0, positives=0)
    chosen = result(3, 9.0, 0.1, calibration=9.0, split="selection")
    judgement = Gate().judge([chosen, result(30, 0.6, 0.61), empty])
    assert (judgement.held, judgement.compared) == ((), (30,))


@pytest.mark.parametrize(
    ("rules", "word"),
    [({"margin": math.nan}, "--margin"), ({"periods": 0}, "--periods"), ({"calibration": (2.0, 0.5)}, "--calibration")],
)
def test_rules_that_make_no_sense_are_refused(rules: dict, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Gate(**rules)


def test_periods_count_by_the_weight_of_their_positives_in_the_pooled_calibration() -> None:
    rows = [result(31, calibration=3.0, positives=40), result(32, calibration=1.0, positives=10)]
    assert pooled_calibration(rows) == pytest.approx((3.0 * 40 + 1.0 * 10) / 50)
    weighed = [replace(each, positive_weight=weight) for each, weight in zip(rows, (5.0, 45.0), strict=True)]
    assert pooled_calibration(weighed) == pytest.approx((3.0 * 5 + 1.0 * 45) / 50)
    assert pooled_calibration([replace(rows[0], positive_weight=0.0)]) is None
