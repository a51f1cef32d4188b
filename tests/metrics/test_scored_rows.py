"""All metrics of a period at once: known and new rows, mini-batches, and what is not defined."""

from __future__ import annotations

import math

import pytest
import torch
from metrics import brute
from metrics.brute import KNOWN, MODELS, batch_of, expected, part, repeated, rows, weighted

from asmg_pl.metrics import ScoredRows


@pytest.mark.parametrize("levels", [None, 1, 2])
def test_every_metric_of_every_model_is_what_its_definition_says(levels: int | None) -> None:
    logits, batch = rows(1, levels=levels)
    metric = ScoredRows(MODELS, KNOWN)
    metric.update(logits, batch)
    counts, scores, *_ = metric.compute()
    assert counts == {
        "rows": 501,
        "positives": int(batch.label.sum()),
        "new_user_rows": int((batch.user >= 30).sum()),
        "new_item_rows": int((batch.item >= 25).sum()),
    }
    assert list(scores) == list(MODELS)
    for model in MODELS:
        assert scores[model] == pytest.approx(expected(logits[model], batch), rel=1e-12)
    assert scores["incremental"]["gauc"] != scores["serving"]["gauc"]


def test_the_metrics_come_as_plain_numbers() -> None:
    metric = ScoredRows(MODELS, KNOWN)
    metric.update(*rows(2))
    counts, scores, *_ = metric.compute()
    assert {type(value) for value in counts.values()} == {int}
    assert {type(value) for score in scores.values() for value in score.values()} == {float}


def test_known_and_new_by_hand() -> None:
    """Users 0 and 1 and item 0 are known; the model is right about the known users and wrong about the new item."""
    batch = batch_of(
        user=torch.tensor([0, 1, 0, 2, 2]),
        item=torch.tensor([0, 0, 0, 1, 1]),
        label=torch.tensor([1.0, 0, 0, 1, 0]),
    )
    metric = ScoredRows(["serving"], known=(2, 1))
    metric.update({"serving": torch.tensor([2.0, 0.0, -1.0, -3.0, 3.0])}, batch)
    counts, scores, *_ = metric.compute()
    assert counts == {"rows": 5, "positives": 2, "new_user_rows": 2, "new_item_rows": 2}
    known, new = brute.log_loss([2, 0, -1], [1, 0, 0]), brute.log_loss([-3, 3], [1, 0])
    for kind in ("users", "items"):
        assert scores["serving"][f"auc_known_{kind}"] == 1.0
        assert scores["serving"][f"auc_new_{kind}"] == 0.0
        assert scores["serving"][f"logloss_known_{kind}"] == pytest.approx(known, rel=1e-12)
        assert scores["serving"][f"logloss_new_{kind}"] == pytest.approx(new, rel=1e-12)


@pytest.mark.parametrize(("known", "empty", "full"), [((0, 0), "known", "new"), ((99, 99), "new", "known")])
def test_an_empty_group_is_nan_and_the_other_one_has_all_rows(known: tuple[int, int], empty: str, full: str) -> None:
    metric = ScoredRows(["serving"], known)
    logits, batch = rows(3)
    metric.update(logits, batch)
    counts, scores, *_ = metric.compute()
    assert counts["new_user_rows"] == counts["new_item_rows"] == (501 if full == "new" else 0)
    for kind in ("users", "items"):
        for name in ("auc", "logloss"):
            assert scores["serving"][f"{name}_{empty}_{kind}"] != scores["serving"][f"{name}_{empty}_{kind}"]
            assert scores["serving"][f"{name}_{full}_{kind}"] == pytest.approx(scores["serving"][name], rel=1e-14)


@pytest.mark.parametrize("size", [1, 7, 300])
def test_nothing_depends_on_how_rows_fall_into_mini_batches(size: int) -> None:
    logits, batch = rows(5)
    whole, parts = ScoredRows(MODELS, KNOWN), ScoredRows(MODELS, KNOWN)
    whole.update(logits, batch)
    for begin in range(0, 501, size):
        parts.update(*part(logits, batch, begin, begin + size))
    assert parts.compute() == whole.compute()


def test_a_period_may_have_one_row_or_none() -> None:
    for count in (0, 1):
        metric = ScoredRows(MODELS, KNOWN)
        metric.update(*rows(6, count))
        counts, scores, *_ = metric.compute()
        assert counts["rows"] == count
        assert scores["serving"]["auc"] != scores["serving"]["auc"]
        assert (scores["serving"]["logloss"] == scores["serving"]["logloss"]) is bool(count)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("count", [1, 501])
def test_a_model_with_a_score_that_is_not_finite_has_no_metric_at_all(broken: float, count: int) -> None:
    """In whatever group and order the rows are; what is beside it, and the counts, are as ever."""
    logits, batch = rows(4)
    sound = ScoredRows(MODELS, KNOWN)
    sound.update(logits, batch)
    counts, scores, none, _ = sound.compute()
    assert none == {}
    serving = logits["serving"].clone()
    serving[:count] = broken
    metric = ScoredRows(MODELS, KNOWN)
    metric.update(logits | {"serving": serving}, batch)
    found = metric.compute()
    assert found.diverged == {"serving": count}
    assert found.counts == counts
    assert found.scores["serving"].keys() == scores["serving"].keys()
    assert all(map(math.isnan, found.scores["serving"].values()))
    assert found.scores["incremental"] == scores["incremental"]


@pytest.mark.parametrize("label", [[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
def test_undefined_and_diverged_are_told_apart(label: list[float]) -> None:
    batch = batch_of(torch.zeros(3).long(), torch.zeros(3).long(), torch.tensor(label))
    metric = ScoredRows(["serving"], known=(9, 9))
    metric.update({"serving": torch.tensor([1.0, 2.0, 3.0])}, batch)
    found = metric.compute()
    assert math.isnan(found.scores["serving"]["auc_new_users"])  # nobody is new
    assert not math.isnan(found.scores["serving"]["logloss"])
    assert found.diverged == {}


def test_a_row_counts_its_weight_in_every_score_and_one_in_the_counts() -> None:
    logits, batch = rows(7)
    metric, plain = ScoredRows(MODELS, KNOWN, weighted=True), ScoredRows(MODELS, KNOWN)
    weighs = weighted(batch)
    for begin in range(0, 501, 100):
        metric.update(*part(logits, weighs, begin, begin + 100))
    plain.update(logits, batch)
    found, without = metric.compute(), plain.compute()
    assert found.counts == without.counts
    times, again = repeated(logits, weighs)
    for model in MODELS:
        assert found.scores[model] == pytest.approx(expected(times[model], again), rel=1e-12)
        assert all(found.scores[model][name] != value for name, value in without.scores[model].items())
