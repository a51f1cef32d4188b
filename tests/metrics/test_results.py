"""Results as rows of a table, and their means."""

from __future__ import annotations

import math

from asmg_pl.metrics.results import HEADLINE, PeriodResult, mean_over


def result(period: int, split: str, auc: float, logloss: float = 0.5) -> PeriodResult:
    return PeriodResult(period, split, 10, 4, 2, 1, {"serving": {"auc": auc, "logloss": logloss}})


def test_a_flat_result_has_a_column_per_model_and_metric() -> None:
    scores = {"incremental": {"auc": 0.6, "logloss": 0.7}, "serving": {"auc": 0.8, "logloss": 0.5, "gauc": 0.75}}
    found = PeriodResult(12, "test", rows=100, positives=40, new_user_rows=30, new_item_rows=20, scores=scores)
    assert list(found.flat().items()) == [
        ("period", 12),
        ("split", "test"),
        ("rows", 100),
        ("positives", 40),
        ("new_user_rows", 30),
        ("new_item_rows", 20),
        ("diverged", None),
        ("incremental_auc", 0.6),
        ("incremental_logloss", 0.7),
        ("serving_auc", 0.8),
        ("serving_logloss", 0.5),
        ("serving_gauc", 0.75),
    ]


def test_the_columns_of_some_metrics_are_those_alone_in_the_order_of_the_metrics() -> None:
    scores = {model: {"gauc": 0.9, "logloss": 0.5, "auc": 0.8} for model in ("incremental", "serving")}
    columns = PeriodResult(12, "test", 100, 40, 30, 20, scores).columns(HEADLINE)
    assert list(columns) == ["incremental_auc", "incremental_logloss", "serving_auc", "serving_logloss"]
    assert columns["serving_auc"] == 0.8


def test_a_result_survives_the_way_through_a_checkpoint() -> None:
    before = result(3, "test", 0.7)
    assert PeriodResult(**vars(before)) == before


def test_the_mean_counts_each_period_once_and_only_metrics() -> None:
    results = [
        result(1, "test", 0.5, 0.1),
        PeriodResult(2, "test", 99999, 1, 77, 88, {"serving": {"auc": 0.7, "logloss": 0.4}}),
    ]
    means = mean_over(results)
    assert means.keys() == {"serving_auc", "serving_logloss"}
    assert math.isclose(means["serving_auc"], 0.6)
    assert math.isclose(means["serving_logloss"], 0.25)


def test_models_that_have_diverged_are_named_in_a_column_and_counted_for_loggers() -> None:
    scores = {model: {"auc": math.nan} for model in ("incremental", "serving")}
    found = PeriodResult(12, "test", 100, 40, 30, 20, scores, {"incremental": 100, "serving": 3})
    assert found.flat()["diverged"] == "incremental serving"
    assert found.logged()["diverged"] == 2
    assert result(12, "test", 0.5).logged()["diverged"] == 0


def test_a_result_of_an_earlier_version_has_not_diverged() -> None:
    saved = vars(result(3, "test", 0.7)).copy()
    del saved["diverged"]
    assert PeriodResult(**saved) == result(3, "test", 0.7)


def test_a_model_that_has_diverged_in_one_period_has_no_mean_and_the_others_have_theirs() -> None:
    results = [
        PeriodResult(n, "test", 10, 4, 2, 1, {"incremental": {"auc": 0.5}, "serving": {"auc": auc}}, diverged)
        for n, auc, diverged in [(1, 0.9, {}), (2, math.nan, {"serving": 1})]
    ]
    means = mean_over(results)
    assert math.isnan(means["serving_auc"])
    assert means["incremental_auc"] == 0.5
    assert mean_over(results[:1])["serving_auc"] == 0.9


def test_a_split_takes_its_own_periods_only() -> None:
    results = [result(1, "selection", 0.1), result(2, "warm-up", 0.2), result(3, "test", 0.6), result(4, "test", 0.8)]
    assert math.isclose(mean_over(results, "test")["serving_auc"], 0.7)
    assert math.isclose(mean_over(results, "warm-up")["serving_auc"], 0.2)
    assert math.isclose(mean_over(results)["serving_auc"], 0.425)


def test_nan_is_left_out_of_its_own_column_alone() -> None:
    means = mean_over([result(1, "test", math.nan, 0.2), result(2, "test", 0.6, 0.4)])
    assert means["serving_auc"] == 0.6
    assert math.isclose(means["serving_logloss"], 0.3)


def test_a_mean_over_nan_only_is_nan() -> None:
    means = mean_over([result(1, "test", math.nan)])
    assert math.isnan(means["serving_auc"])
    assert means["serving_logloss"] == 0.5


def test_results_may_come_from_an_iterator() -> None:
    assert mean_over(iter([result(1, "test", 0.5), result(2, "test", 0.5)]))["serving_auc"] == 0.5


def test_no_results_have_no_means() -> None:
    assert mean_over([]) == {}
    assert mean_over([result(1, "test", 0.5)], "warm-up") == {}
