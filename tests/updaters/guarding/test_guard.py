"""What a guard chooses from the scores of earlier periods."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from asmg_pl.errors import ConfigError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.guarding.guard import Guard
from asmg_pl.updaters.guarding.regret import Regret

Pair = tuple[float, float]


def scored(period: int, auc: Pair, logloss: Pair, **more: Any) -> PeriodResult:
    """A result of an incremental and a generated model."""
    scores = {name: {"auc": auc[n], "logloss": logloss[n]} for n, name in enumerate(("incremental", "generated"))} | {
        "serving": {"auc": auc[0], "logloss": logloss[0]}
    }
    return PeriodResult(period, "warm-up", 100, 40, 1, 2, scores, **more)


def gains(*each: float, auc: float = 0.01, first: int = 12) -> dict[int, PeriodResult]:
    """Results in which the generated model's LogLoss is lower by so much, one period after the other."""
    return {first + n: scored(first + n, (0.7, 0.7 + auc), (0.5, 0.5 - gain)) for n, gain in enumerate(each)}


def walked(guard: Guard, results: dict[int, PeriodResult]) -> Iterator[str]:
    """What is served period by period, as a walk notes it; at last what serves the period after all of them."""
    before: dict[int, PeriodResult] = {}
    for period, result in results.items():
        served, why = guard.choose(before)
        yield served
        before[period] = replace(result, served=served, why=why)
    yield guard.choose(before).served


def served(results: dict[int, PeriodResult], guard: Guard | None = None) -> list[str]:
    return [name[0] for name in walked(guard or Guard(), results)]


def test_the_incremental_model_serves_before_anything_is_scored() -> None:
    assert Guard().choose({}).served == "incremental"


def test_a_candidate_serves_once_enough_periods_find_it_better() -> None:
    assert served(gains(0.010, 0.012, 0.011, 0.010)) == ["i", "i", "i", "g", "g"]


def test_a_difference_within_its_spread_changes_nothing() -> None:
    assert set(served(gains(0.010, -0.012, 0.011, -0.010, 0.012, -0.009, 0.011))) == {"i"}


def test_what_serves_stays_while_it_is_better_by_less_than_the_margin() -> None:
    up = [0.010, 0.012, 0.011]
    noise = [0.014, -0.013, 0.012, -0.011, 0.013, -0.012]
    assert set(served(gains(*up, *noise))[3:]) == {"g"}
    worse = [-0.014, 0.002, -0.013, 0.004, -0.012]
    for never in (noise, worse):
        assert set(served(gains(*never, *never))) == {"i"}, "it would not have begun to serve"


def test_the_incremental_model_comes_back_without_a_margin() -> None:
    found = served(gains(0.010, 0.012, 0.011, *[-0.03] * 12))
    assert found[3] == "g"
    assert found[-1] == "i"
    results = gains(0.010, 0.012, 0.011, -0.03, 0.0)
    assert served(results)[3:] == ["g", "i", "i"]
    assert Guard().choose(gains(0.010, 0.012, 0.011, -0.03)).why.startswith("generated is held back: LogLoss higher by")


def test_the_scale_of_the_differences_does_not_matter() -> None:
    for results in (gains(0.010, 0.012, 0.011), gains(0.0010, 0.0012, 0.0011)):
        assert served(results)[-1] == "g"


def test_a_difference_of_rounding_is_no_evidence() -> None:
    assert served(gains(*[1e-7] * 5)) == ["i"] * 6


def test_a_candidate_with_a_lower_auc_never_serves_however_low_its_logloss_is() -> None:
    assert set(served(gains(*[0.1] * 6, auc=-0.001))) == {"i"}
    why = Guard().choose(gains(*[0.1] * 6, auc=-0.001)).why
    assert why == "generated is held back: AUC lower by 0.0010 over 6 periods"


def test_a_candidate_that_serves_is_taken_back_at_once_when_its_auc_falls_below() -> None:
    later = gains(*[0.01] * 2, auc=-0.2, first=15)
    assert served(gains(0.010, 0.012, 0.011) | later)[3:] == ["g", "i", "i"]


@pytest.mark.parametrize("flaw", [{"diverged": {"generated": 3}}, {"constant": ["generated"]}])
def test_a_candidate_that_is_not_finite_or_constant_never_serves_next(flaw: dict[str, Any]) -> None:
    results = gains(*[0.01] * 5)
    assert served(results)[-1] == "g"
    loss = math.nan if "diverged" in flaw else 0.4
    results[16] = scored(16, (0.7, 0.7), (0.5, loss), **flaw)
    assert served(results)[-1] == "i"
    assert "generated is held back: " in Guard().choose({**results}).why
    results |= gains(0.01, 0.01, first=17)
    assert served(results)[-1] == "i", "what it scored before counts no longer"


def test_a_constant_period_of_all_models_says_nothing() -> None:
    results = gains(*[0.01] * 3)
    results[15] = scored(15, (0.5, 0.5), (0.5, 0.5), constant=["incremental", "generated"])
    assert served(results)[-1] == "g"


def test_a_candidate_that_has_begun_anew_must_prove_itself_again() -> None:
    anew = {15: scored(15, (0.7, 0.7), (0.5, 0.5))}
    assert served(gains(*[0.01] * 3) | anew)[3:] == ["g", "i"]
    assert served(gains(*[0.01] * 3) | anew | gains(0.01, 0.01, first=16))[-1] == "i"
    assert served(gains(*[0.01] * 3) | anew | gains(0.01, 0.01, 0.01, first=16))[-1] == "g"


def test_periods_without_rows_or_with_one_class_change_nothing() -> None:
    results = gains(*[0.01] * 3)
    empty = {15: scored(15, (math.nan, math.nan), (math.nan, math.nan))}
    assert served(results | empty)[-1] == "g"
    one_class = {16: scored(16, (math.nan, math.nan), (0.5, 0.49))}
    assert served(results | empty | one_class)[-1] == "g"


def test_the_best_of_several_candidates_serves_and_gives_way_to_a_better_one_by_the_margin() -> None:
    def with_blend(gain: float, period: int) -> PeriodResult:
        result = gains(0.010 + 1e-4 * (period % 3), first=period)[period]
        result.scores["blend_0.5"] = {"auc": 0.72, "logloss": 0.5 - gain}
        return result

    results = {period: with_blend(0.02 + 1e-4 * (period % 2), period) for period in range(12, 15)}
    assert served(results)[-1] == "b"
    results |= {period: with_blend(0.001 * (period % 2), period) for period in range(15, 35)}
    assert served(results)[-1] == "g"


def test_a_served_model_that_is_no_candidate_any_more_gives_way() -> None:
    results = gains(*[0.0] * 3)
    results[14] = replace(results[14], served="blend_0.9")
    assert Guard().choose(results).served == "incremental"


def test_older_periods_count_less() -> None:
    results = gains(*[0.02, 0.021] * 4, *[-0.004, -0.005] * 8)
    assert served(results, Guard(decay=0.6))[-1] == "i"
    assert served(results, Guard(decay=1.0, margin=0.0))[-1] == "g"


def test_regret_is_against_the_best_fixed_candidate_so_far() -> None:
    assert math.isnan(Regret().over({}))
    results = gains(0.01, 0.03)
    assert Regret().over(results) == pytest.approx(0.02)
    assert Regret().over(gains(-0.01, -0.03)) == 0.0
    results[13].scores["serving"] = results[13].scores["generated"]
    assert Regret().over(results) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 0.0}, "model.guard.decay"),
        ({"decay": math.nan}, "model.guard.decay"),
        ({"margin": -1.0}, "model.guard.margin"),
        ({"margin": math.nan}, "model.guard.margin"),
        ({"periods": 1}, "model.guard.periods"),
        ({"blends": (0.5, 1.0)}, "model.guard.blends"),
        ({"blends": (0.5, 0.5)}, "model.guard.blends"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_its_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Guard(**settings)
