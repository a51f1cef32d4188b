"""Whether a model loses to lists that need none is said in plain words."""

from __future__ import annotations

import math

import polars as pl
import pytest

from asmg_pl.metrics.results import PeriodResult
from asmg_pl.metrics.rivals import lost_to, rivals


def walked(
    served: list[float], popular: list[float], split: str = "test", diverged: bool = False
) -> list[PeriodResult]:
    """The results of a walk; the user's latest item tells nothing."""
    return [
        PeriodResult(
            *(25 + number, split, 100, 40, 0, 0),
            {"serving": {"auc": 0.7, "logloss": 0.6, "hr_at_5": 0.9, "ndcg_at_5": one}},
            {"serving": 1} if diverged else {},
            ranking={"popularity": {"ndcg_at_5": other}, "last_item": {"ndcg_at_5": 0.0}},
        )
        for number, (one, other) in enumerate(zip(served, popular, strict=True))
    ]


@pytest.mark.parametrize(
    ("popular", "said"),
    [
        ([0.1, 0.2, 0.1], "the model is better"),
        ([0.5, 0.6, 0.6], "the model loses to it"),
        ([0.3, 0.5, 0.4], "no difference that these periods can tell"),
    ],
)
def test_each_baseline_has_a_sentence_with_what_its_interval_decides(popular: list[float], said: str) -> None:
    first, second = rivals(walked([0.4, 0.4, 0.4], popular))
    assert first.startswith("NDCG at 5, periods 25 to 27: 0.4000, ")
    assert first.endswith(said)
    assert "over the most popular items (95 % " in first
    assert second.endswith("the model is better")


def test_nothing_is_said_of_walks_without_lists_or_tests_and_only_what_is_known_of_others() -> None:
    assert rivals([PeriodResult(25, "test", 9, 4, 0, 0, {"serving": {"auc": 0.7}})]) == []
    assert rivals(walked([0.4], [0.1], split="warm-up")) == []
    assert rivals(walked([0.4], [0.1]))[0].endswith("a single period decides nothing")
    assert "diverged" in rivals(walked([0.4], [0.1], diverged=True))[0]
    assert "no case" in rivals(walked([math.nan], [math.nan]))[0]


def test_the_report_names_the_methods_that_lose() -> None:
    def table(served: list[float]) -> pl.DataFrame:
        results = walked(served, [0.3, 0.3, 0.35])
        return pl.DataFrame([result.flat() for result in results])

    (said,) = lost_to({"good": [table([0.4, 0.5, 0.4])], "bad": [table([0.1, 0.2, 0.1]), table([0.1, 0.1, 0.1])]})
    assert said.startswith("bad loses to the most popular items by 0.2000 NDCG at 5")
    assert lost_to({"without": [pl.DataFrame({"split": ["test"], "serving_auc": [0.7]})]}) == []
