"""Means over a mini-batch that several processes share."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from asmg_pl.data import Batch
from asmg_pl.data.batch import RankShare
from asmg_pl.updaters.losses import cross_entropy, row_mean, signs

LOGITS = torch.tensor([2.0, -1.0, 0.5, 0.0, 3.0])
LABELS = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])


def batch(labels: torch.Tensor, share: RankShare | None = None, weight: torch.Tensor | None = None) -> Batch:
    none = torch.zeros(len(labels), dtype=torch.int64)
    return Batch(none, none, none[:, None], none, labels, share=share, weight=weight)


def test_of_a_whole_mini_batch_it_is_the_plain_mean() -> None:
    assert cross_entropy(LOGITS, LABELS, batch(LABELS)) == F.binary_cross_entropy_with_logits(LOGITS, LABELS)


@pytest.mark.parametrize("shares", [2, 3, 8])
def test_the_mean_over_uneven_shares_is_that_of_the_whole(shares: int) -> None:
    logits = LOGITS.clone().requires_grad_()
    F.binary_cross_entropy_with_logits(logits, LABELS).backward()
    expected, logits.grad = logits.grad, None
    share = RankShare(len(LABELS), shares)
    parts = zip(logits.tensor_split(shares), LABELS.tensor_split(shares), strict=True)
    losses = torch.stack([cross_entropy(part, labels, batch(labels, share)) for part, labels in parts])
    losses.mean().backward()
    torch.testing.assert_close(losses.mean(), F.binary_cross_entropy_with_logits(LOGITS, LABELS))
    torch.testing.assert_close(logits.grad, expected)


@pytest.mark.parametrize("shares", [2, 3, 8])
def test_so_is_the_mean_of_any_number_of_a_row(shares: int) -> None:
    share = RankShare(len(LABELS), shares)
    parts = [row_mean(part, batch(part, share)) for part in LOGITS.tensor_split(shares)]
    torch.testing.assert_close(torch.stack(parts).mean(), LOGITS.mean())
    assert row_mean(LOGITS, batch(LABELS)) == LOGITS.mean()


WEIGHTS = torch.tensor([1.0, 0.0, 2.5, 0.5, 3.0])


def test_a_row_counts_its_weight_in_the_loss() -> None:
    rows = F.binary_cross_entropy_with_logits(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS, batch(LABELS, weight=WEIGHTS)), (rows @ WEIGHTS) / 5)
    torch.testing.assert_close(row_mean(LOGITS, batch(LABELS, weight=WEIGHTS)), (LOGITS @ WEIGHTS) / 5)
    without = cross_entropy(LOGITS, LABELS, batch(LABELS))
    torch.testing.assert_close(cross_entropy(LOGITS, LABELS, batch(LABELS, weight=torch.ones(5))), without)


@pytest.mark.parametrize("shares", [2, 3, 8])
def test_so_it_does_over_uneven_shares(shares: int) -> None:
    share = RankShare(len(LABELS), shares)
    parts = zip(*(each.tensor_split(shares) for each in (LOGITS, LABELS, WEIGHTS)), strict=True)
    losses = [cross_entropy(part, labels, batch(labels, share, weight)) for part, labels, weight in parts]
    whole = cross_entropy(LOGITS, LABELS, batch(LABELS, weight=WEIGHTS))
    torch.testing.assert_close(torch.stack(losses).mean(), whole)


def test_a_logit_should_go_up_on_positive_rows_and_down_on_negative_ones() -> None:
    assert signs(LABELS).tolist() == [1, -1, -1, 1, 1]


def test_a_share_without_rows_has_loss_and_gradient_0() -> None:
    weight = torch.ones(3, requires_grad=True)
    none = torch.zeros(0)
    loss = cross_entropy(torch.zeros(0, 3) @ weight, none, batch(none, RankShare(5, 8)))
    loss.backward()
    assert loss == 0
    assert weight.grad is not None
    assert weight.grad.tolist() == [0, 0, 0]
