"""LogLoss, normalized entropy and calibration against their definitions, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from metrics import brute
from metrics.brute import random_scores
from torch import Tensor

from asmg_pl.metrics import calibration, log_loss, normalized_entropy, row_losses

Metric = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@pytest.mark.parametrize("seed", range(3))
def test_each_is_what_its_definition_says(seed: int) -> None:
    logits, labels = random_scores(seed)
    given = logits.tolist(), labels.tolist()
    assert log_loss(logits, labels).item() == pytest.approx(brute.log_loss(*given), rel=1e-12)
    assert calibration(logits, labels).item() == pytest.approx(brute.calibration(*given), rel=1e-12)
    assert normalized_entropy(logits, labels).item() == pytest.approx(brute.normalized_entropy(*given), rel=1e-12)


def test_losses_stay_exact_where_a_probability_rounds_to_zero() -> None:
    logits, labels = torch.tensor([-800.0, 120.0, 40.0]), torch.tensor([1.0, 0, 1])
    assert row_losses(logits, labels).tolist() == pytest.approx([800.0, 120.0, math.log1p(math.exp(-40))], rel=1e-12)


def test_logloss_adds_up_in_float64() -> None:
    """In float32, a million losses drift by more than this."""
    logits, labels = torch.full((1_000_000,), -0.1), torch.ones(1_000_000)
    assert log_loss(logits, labels).item() == pytest.approx(brute.log_loss([logits[0].item()], [1.0]), rel=1e-12)


def test_labels_may_be_whole_numbers() -> None:
    logits, labels = torch.tensor([0.0, 0.0]), torch.tensor([0, 1], dtype=torch.uint8)
    assert log_loss(logits, labels).item() == pytest.approx(math.log(2), rel=1e-12)
    assert normalized_entropy(logits, labels).item() == pytest.approx(1, rel=1e-12)
    assert calibration(logits, labels).item() == 1


def test_perfect_probabilities_are_calibrated_and_halved_ones_half_as_much() -> None:
    draw = torch.Generator().manual_seed(0)
    chances = 0.05 + 0.4 * torch.rand(200_000, generator=draw, dtype=torch.float64)
    labels = torch.bernoulli(chances, generator=draw)
    assert calibration(chances.logit(), labels).item() == pytest.approx(1, abs=0.01)
    assert calibration((chances / 2).logit(), labels).item() == pytest.approx(0.5, abs=0.005)


def test_the_mean_label_has_normalized_entropy_one_at_any_share_of_positives() -> None:
    for positives in (1, 300, 999):
        labels = (torch.arange(1000) < positives).float()
        logits = labels.double().mean().logit().expand(1000)
        assert normalized_entropy(logits, labels).item() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_normalized_entropy_of_one_class_is_nan(label: float) -> None:
    assert math.isnan(normalized_entropy(torch.tensor([0.5, -1.0]), torch.full((2,), label)))


def test_calibration_is_nan_without_a_positive_only() -> None:
    logits = torch.tensor([0.0, 0.0])
    assert math.isnan(calibration(logits, torch.zeros(2)))
    assert calibration(logits, torch.ones(2)).item() == 0.5


def test_without_rows_all_are_nan() -> None:
    none = torch.zeros(0)
    for metric in (log_loss, normalized_entropy, calibration):
        assert math.isnan(metric(none, none))


@pytest.mark.parametrize("metric", [log_loss, normalized_entropy, calibration])
def test_a_row_of_weight_2_counts_as_two_rows_and_one_of_weight_0_as_none(metric: Metric) -> None:
    logits, labels = random_scores(3)
    weights = torch.arange(501) % 4
    times = torch.arange(501).repeat_interleave(weights)
    expected = metric(logits[times], labels[times], None).item()
    assert metric(logits, labels, weights.float()).item() == pytest.approx(expected, rel=1e-12)
    assert metric(logits, labels, torch.ones(501)).item() == metric(logits, labels, None).item()
    assert metric(logits, labels, torch.zeros(501)).isnan()
    assert metric(logits, labels, None).item() != pytest.approx(expected, rel=1e-3)
