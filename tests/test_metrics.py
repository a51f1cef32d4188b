"""Prequential metrics against definitions written out in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from asmg_pl.metrics import BinaryLogLoss, Scoreboard


def pairwise_auc(logits: Tensor, labels: Tensor) -> float:
    """The share of (positive, negative) pairs that are ranked rightly, ties counting one half."""
    positive, negative = logits[labels == 1].double()[:, None], logits[labels == 0].double()
    wins = (positive > negative).double() + 0.5 * (positive == negative)
    return wins.mean().item()


def log_loss(logits: Tensor, labels: Tensor) -> float:
    """The mean of -log p(label), row by row in Python's floats, without overflow."""
    losses = []
    for logit, label in zip(logits.tolist(), labels.tolist(), strict=True):
        margin = logit if label else -logit
        losses.append(max(-margin, 0.0) + math.log1p(math.exp(-abs(margin))))
    return math.fsum(losses) / len(losses)


def random_scores(seed: int, rows: int = 501, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Logits and labels that have something to do with each other; few ``levels`` make many ties."""
    draw = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, generator=draw)
    if levels:
        logits = (logits * levels).round() / levels
    labels = (torch.rand(rows, generator=draw) < logits.sigmoid()).float()
    return logits, labels


def scored(logits: Tensor, labels: Tensor, sizes: int | list[int] | None = None) -> dict[str, float]:
    board = Scoreboard()
    for part, label in zip(logits.split(sizes or len(logits)), labels.split(sizes or len(labels)), strict=True):
        board.update(3, "serving", part, label)
    return board.take(3, "test").scores["serving"]


@pytest.mark.parametrize("levels", [None, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_auc_is_the_share_of_rightly_ranked_pairs_and_a_tie_counts_one_half(seed: int, levels: int | None) -> None:
    logits, labels = random_scores(seed, levels=levels)
    assert scored(logits, labels)["auc"] == pytest.approx(pairwise_auc(logits, labels), abs=1e-6)


def test_auc_of_one_score_for_all_is_one_half() -> None:
    assert scored(torch.full((5,), 0.3), torch.tensor([1.0, 0, 0, 1, 0]))["auc"] == 0.5


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_auc_of_a_period_with_one_class_is_nan_and_its_logloss_is_not(label: float) -> None:
    logits, labels = torch.tensor([0.5, -1.0]), torch.full((2,), label)
    scores = scored(logits, labels)
    assert math.isnan(scores["auc"])
    assert scores["logloss"] == pytest.approx(log_loss(logits, labels), rel=1e-12)


def test_both_classes_may_come_in_different_mini_batches() -> None:
    assert scored(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([1.0, 1, 0]), [2, 1])["auc"] == 1.0


@pytest.mark.parametrize("sizes", [None, 1, 7, [1, 200, 300]])
def test_scores_do_not_depend_on_how_rows_fall_into_mini_batches(sizes: int | list[int] | None) -> None:
    logits, labels = random_scores(5)
    scores = scored(logits, labels, sizes)
    assert scores["logloss"] == pytest.approx(log_loss(logits, labels), rel=1e-12)
    assert scores["auc"] == pytest.approx(pairwise_auc(logits, labels), abs=1e-6)


def test_logloss_stays_exact_where_a_probability_rounds_to_zero() -> None:
    logits, labels = torch.tensor([-800.0, 120.0, 40.0]), torch.tensor([1.0, 0, 1])
    assert scored(logits, labels)["logloss"] == pytest.approx(log_loss(logits, labels), rel=1e-12)


def test_logloss_adds_up_in_float64() -> None:
    """In float32, a million equal losses drift by more than this."""
    metric = BinaryLogLoss()
    logits, labels = torch.full((1000,), -0.1), torch.ones(1000)
    for _ in range(1000):
        metric.update(logits, labels)
    assert metric.compute().item() == pytest.approx(log_loss(logits, labels), rel=1e-10)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_logloss_takes_whole_number_labels_and_is_nan_without_rows() -> None:
    metric = BinaryLogLoss()
    assert math.isnan(metric.compute().item())
    metric.update(torch.tensor([0.0, 0.0]), torch.tensor([0, 1], dtype=torch.uint8))
    assert metric.compute().item() == pytest.approx(math.log(2), rel=1e-12)


@pytest.mark.parametrize(
    "around",
    [
        -40.0,
        20.0,
        30.0,
        40.0,
    ],
)
def test_confident_logits_are_ranked_though_their_float32_probabilities_tie(around: float) -> None:
    logits, labels = random_scores(1, rows=60)
    logits = around + logits / 2
    if around > 0:
        assert logits.sigmoid().unique().numel() < len(logits)
    assert scored(logits, labels)["auc"] == pytest.approx(pairwise_auc(logits, labels), abs=1e-6)


def test_a_result_names_period_split_and_counts() -> None:
    board = Scoreboard()
    board.update(7, "serving", torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 0, 0]))
    board.update(7, "serving", torch.tensor([0.4]), torch.tensor([1.0]))
    result = board.take(7, "warm-up")
    assert (result.period, result.split, result.rows, result.positives) == (7, "warm-up", 4, 2)


def test_two_models_are_scored_apart_in_the_order_of_their_first_rows() -> None:
    first, labels = random_scores(1)
    second, _ = random_scores(2)
    board = Scoreboard()
    board.update(1, "incremental", first, labels)
    board.update(1, "serving", second, labels)
    result = board.take(1, "test")
    assert list(result.scores) == ["incremental", "serving"]
    assert result.rows == len(labels)
    assert result.scores == {"incremental": scored(first, labels), "serving": scored(second, labels)}


def test_taking_a_period_forgets_it_and_leaves_the_others() -> None:
    board = Scoreboard()
    wrong, right, labels = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])
    board.update(1, "serving", wrong, labels)
    board.update(2, "serving", wrong, labels)
    assert board.take(1, "test").scores["serving"]["auc"] == 0.0
    with pytest.raises(KeyError):
        board.take(1, "test")
    board.update(1, "serving", right, labels)
    again = board.take(1, "test")
    assert (again.rows, again.scores["serving"]["auc"]) == (2, 1.0)
    assert board.take(2, "test").rows == 2
