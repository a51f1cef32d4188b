"""The table of periods: no row is wider than the screen, whatever is scored."""

from __future__ import annotations

import math

import pytest

from asmg_pl.callbacks.period_table import PeriodTable
from asmg_pl.metrics.results import PeriodResult, mean_over

ANSI = ("\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m")
EVEN, WORSE = {"auc": 0.5, "logloss": 0.7}, {"auc": 0.4, "logloss": 0.7}
UNDEFINED = {"auc": math.nan, "logloss": 0.7}


def result(*models: str, period: int = 25, rows: int = 1_234_567, **diverged: int) -> PeriodResult:
    scores = {model: {"auc": 0.5 + place / 100, "logloss": 0.7, "gauc": 0.6} for place, model in enumerate(models)}
    return PeriodResult(period, "selection", rows, 5, 2, 1, scores, diverged)


def test_both_models_have_their_scores_and_the_lift_is_their_difference() -> None:
    table = PeriodTable(["incremental", "serving"], 80, seconds=True)
    names, titles = table.header()
    assert names.split() == ["incremental", "serving"]
    assert titles.split() == ["period", "split", "rows", "auc", "logloss", "auc", "logloss", "lift", "seconds"]
    row = table.row(result("incremental", "serving"), 1.234)
    assert row.split() == ["25", "selection", "1,234,567", "0.5000", "0.7000", "0.5100", "0.7000", "+0.0100", "1.23"]
    assert len(row) == len(titles) <= 80
    assert names.index("serving") + len("serving") <= titles.rindex("logloss") + len("logloss")
    assert table.left_out is None


def test_a_plain_method_has_no_lift_and_an_evaluation_no_seconds() -> None:
    table = PeriodTable(["serving"], 80, seconds=False)
    assert table.header()[1].split() == ["period", "split", "rows", "auc", "logloss"]
    assert table.row(result("serving")).split() == ["25", "selection", "1,234,567", "0.5000", "0.7000"]


@pytest.mark.parametrize("width", [80, 100, 60, 40])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_no_row_is_wider_than_the_screen_and_what_is_left_out_is_named(width: int, count: int) -> None:
    models = ["incremental", "serving", *(f"a model with the long name {place}" for place in range(7))][:count]
    table = PeriodTable(models, width, seconds=True)
    lines = [*table.header(), table.row(result(*models), 12345.67), table.mean("test", mean_over([result(*models)]))]
    assert max(map(len, lines)) <= max(width, 60)
    for model in models:
        assert model in table.models or model in str(table.left_out)
    assert "logloss" in table.metrics or "logloss" in str(table.left_out)
    assert ("metrics.csv" in str(table.left_out)) is (table.left_out is not None)


def test_the_models_that_serve_and_are_compared_with_are_left_out_last() -> None:
    table = PeriodTable(["a", "b", "incremental", "c", "serving", "d"], 80, seconds=True)
    assert {"incremental", "serving"} <= set(table.models)


def test_models_that_have_diverged_are_named_beside_the_row_or_below_it() -> None:
    short = PeriodTable(["serving"], 80, seconds=False).row(result("serving", serving=3))
    assert short.endswith("0.7000  diverged: serving")
    models = ("incremental", "serving")
    long = PeriodTable(models, 80, seconds=True).row(result(*models, incremental=3, serving=4), 1.0)
    assert long.splitlines()[1].split() == ["diverged:", "incremental,", "serving"]
    assert max(map(len, long.splitlines())) <= 80


def test_names_command_no_terminal() -> None:
    table = PeriodTable(["\x1b[2Jx"], 80, seconds=False)
    assert "\x1b" not in "".join(table.header())
    assert r"\x1b[2Jx" in table.header()[0]


def test_a_model_that_is_not_scored_in_a_period_has_empty_cells() -> None:
    table = PeriodTable(["incremental", "serving"], 80, seconds=True)
    row = table.row(result("incremental"), 1.0)
    assert row.split() == ["25", "selection", "1,234,567", "0.5000", "0.7000", "1.00"]
    assert len(row) == len(table.row(result("incremental", "serving"), 1.0))


def test_the_lift_is_green_or_red_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    models = ("incremental", "serving")
    plain = PeriodTable(models, 80, seconds=True).row(result(*models), 1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = PeriodTable(models, 80, seconds=True).row(result(*models), 1.0)
    assert "\x1b[32m+0.0100\x1b[0m" in coloured
    for code in ANSI:
        coloured = coloured.replace(code, "")
    assert coloured == plain
    worse = PeriodResult(1, "test", 1, 1, 0, 0, {"serving": WORSE, "incremental": EVEN})
    assert "\x1b[31m-0.1000" in PeriodTable(models, 80, seconds=True).row(worse)
    undefined = PeriodResult(1, "test", 1, 1, 0, 0, {"serving": UNDEFINED, "incremental": EVEN})
    assert "\x1b" not in PeriodTable(models, 80, seconds=True).row(undefined)
