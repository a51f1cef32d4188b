"""The scoreboard: periods and models kept apart, and what a result says."""

from __future__ import annotations

import math

import pytest
import torch
from metrics.brute import KNOWN, batch_of, expected, part, repeated, rows, weighted

from asmg_pl.data import Batch
from asmg_pl.metrics import Scoreboard


def board(known: tuple[int, int] = KNOWN) -> Scoreboard:
    return Scoreboard(lambda period: known)


def labelled(*labels: float) -> Batch:
    """Rows of one user and one item."""
    zeros = torch.zeros(len(labels)).long()
    return batch_of(zeros, zeros, torch.tensor(labels))


def test_a_result_names_period_split_and_counts() -> None:
    scored = board(known=(1, 0))
    scored.update(7, {"serving": torch.tensor([0.1, 0.2, 0.3])}, labelled(1, 0, 0))
    scored.update(7, {"serving": torch.tensor([0.4])}, labelled(1))
    result = scored.take(7, "warm-up")
    assert (result.period, result.split, result.rows, result.positives) == (7, "warm-up", 4, 2)
    assert (result.new_user_rows, result.new_item_rows) == (0, 4)


def test_what_is_known_depends_on_the_period() -> None:
    scored = Scoreboard({1: (0, 0), 2: (40, 0), 3: (40, 40)}.__getitem__)
    for period in (3, 1, 2):
        scored.update(period, *rows(1))
    counts = [(r.new_user_rows, r.new_item_rows) for r in (scored.take(period, "test") for period in (1, 2, 3))]
    assert counts == [(501, 501), (0, 501), (0, 0)]


def test_both_classes_may_come_in_different_mini_batches() -> None:
    scored = board()
    scored.update(3, {"serving": torch.tensor([2.0, 1.0])}, labelled(1, 1))
    scored.update(3, {"serving": torch.tensor([0.0])}, labelled(0))
    assert scored.take(3, "test").scores["serving"]["auc"] == 1.0


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_a_period_with_one_class_only_the_ranking_is_nan(label: float) -> None:
    scored = board()
    scored.update(1, {"serving": torch.tensor([0.5, -1.0])}, labelled(label, label))
    scores = scored.take(1, "test").scores["serving"]
    undefined = {name for name, value in scores.items() if math.isnan(value)}
    assert {"auc", "gauc", "normalized_entropy", "auc_new_users"} <= undefined
    assert not {"logloss", "logloss_known_users", "logloss_known_items"} & undefined
    assert ("calibration" in undefined) is (label == 0)


def test_two_models_are_scored_apart_in_the_order_they_are_given() -> None:
    logits, batch = rows(1)
    scored = board()
    scored.update(1, logits, batch)
    result = scored.take(1, "test")
    assert list(result.scores) == ["incremental", "serving"]
    for model, scores in result.scores.items():
        assert scores == pytest.approx(expected(logits[model], batch), rel=1e-12)


def test_mini_batches_of_several_periods_may_alternate() -> None:
    apart, mixed = board(), board()
    for period in (1, 2):
        apart.update(period, *rows(period))
    for begin in (0, 250):
        for period in (1, 2):
            mixed.update(period, *part(*rows(period), begin, begin + 251 if begin else 250))
    assert mixed.periods() == [1, 2]
    assert [mixed.take(p, "test") for p in (1, 2)] == [apart.take(p, "test") for p in (1, 2)]


def test_taking_a_period_forgets_it_and_leaves_the_others() -> None:
    scored = board()
    wrong, right, batch = {"serving": torch.tensor([0.0, 1.0])}, {"serving": torch.tensor([1.0, 0.0])}, labelled(1, 0)
    scored.update(1, wrong, batch)
    scored.update(2, wrong, batch)
    assert scored.take(1, "test").scores["serving"]["auc"] == 0.0
    with pytest.raises(KeyError):
        scored.take(1, "test")
    scored.update(1, right, batch)
    again = scored.take(1, "test")
    assert (again.rows, again.scores["serving"]["auc"]) == (2, 1.0)
    assert scored.take(2, "test").rows == 2


def test_a_row_counts_its_weight_in_the_scores_and_in_the_logloss_of_known_rows() -> None:
    logits, batch = rows(3)
    weighs, twice = board(), board()
    weighs.update(1, logits, weighted(batch))
    twice.update(1, *repeated(logits, weighted(batch)))
    found, of_rows = weighs.take(1, "test"), twice.take(1, "test")
    assert found.known_logloss == pytest.approx(of_rows.known_logloss, rel=1e-12)
    assert found.positive_weight == pytest.approx(0.75 * of_rows.positives)
    assert of_rows.positive_weight is None
    for model, scores in found.scores.items():
        assert scores == pytest.approx(of_rows.scores[model], rel=1e-12)
