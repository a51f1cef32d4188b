"""A base model that gives all rows one score is told of when that begins."""

from __future__ import annotations

import pytest

from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.scoring import warn_if_constant


def result(period: int, constant: list[str], *names: str) -> PeriodResult:
    """The result of a period in which some models are constant."""
    scores = {name: {"auc": 0.5, "logloss": 0.7} for name in names}
    return PeriodResult(period, "test", 100, 50, 0, 0, scores, constant=constant)


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (result(13, ["serving"], "serving"), None, True),
        (result(13, ["serving"], "serving"), result(12, [], "serving"), True),
        (result(13, ["serving"], "serving"), result(12, ["serving"], "serving"), False),
        (result(13, [], "serving"), result(12, [], "serving"), False),
        (result(13, ["incremental"], "incremental", "serving"), None, True),
        (result(13, ["serving"], "incremental", "serving"), None, False),
    ],
    ids=["at first", "when it begins", "not again", "not of a sound one", "the incremental one", "not a generated one"],
)
def test_a_base_model_that_tells_no_rows_apart_is_told_of_once(
    caplog: pytest.LogCaptureFixture, now: PeriodResult, before: PeriodResult | None, told: bool
) -> None:
    warn_if_constant(now, before)
    assert ("gives all rows of period 13 one score" in caplog.text) == told
