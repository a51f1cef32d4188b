"""Embedding&MLP against the published code: scores, losses, gradients, and three steps of the updater's Adam."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import IncrementalUpdate

Layouts = dict[str, Callable[[Iterable[tuple[str, Tensor]]], dict[str, Tensor]]]


def test_scores_are_the_published_ones(
    base_model: Callable[[int], EmbeddingMLP], batches: list[tuple[Batch, ...]], golden: dict[str, Tensor]
) -> None:
    scores = base_model(0)(batches[0][0]).sigmoid()
    torch.testing.assert_close(scores, golden["embedding_mlp/scores"], atol=1e-6, rtol=0)


def test_losses_are_the_published_ones(
    base_model: Callable[[int], EmbeddingMLP], batches: list[tuple[Batch, ...]], golden: dict[str, Tensor]
) -> None:
    batch = batches[0][0]
    losses = F.binary_cross_entropy_with_logits(base_model(0)(batch), batch.label, reduction="none")
    torch.testing.assert_close(losses, golden["embedding_mlp/losses"], atol=1e-6, rtol=0)
    torch.testing.assert_close(losses.mean(), golden["embedding_mlp/loss"], atol=1e-6, rtol=0)


def updater_on(model: EmbeddingMLP, seen: list[Tensor]) -> IncrementalUpdate:
    """The updater of this model with its optimiser, outside of a trainer, noting each loss."""
    published = copy.deepcopy(model.state_dict())
    updater = IncrementalUpdate(Sizes(13, 17, 5), recommender=lambda _: model, learning_rate=1e-3)
    model.load_state_dict(published)  # which the updater has drawn anew
    (optimizer,) = updater.configure_optimizers()

    def step_optimizer(which: int, loss: Tensor) -> None:
        assert which == 0
        seen.append(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    updater.step_optimizer = step_optimizer  # type: ignore[method-assign, assignment]
    return updater


def test_an_update_takes_the_published_gradient_of_the_published_mean_loss(
    base_model: Callable[[int], EmbeddingMLP],
    batches: list[tuple[Batch, ...]],
    golden: dict[str, Tensor],
    below: Callable[[str], dict[str, Tensor]],
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    model, seen = base_model(0), list[Tensor]()
    updater_on(model, seen).update(batches[0][0])
    torch.testing.assert_close(seen[0], golden["embedding_mlp/loss"], atol=1e-6, rtol=0)
    gradients = ((name, p.grad) for name, p in model.named_parameters() if p.grad is not None)
    close(as_published["base"](gradients), below("embedding_mlp/gradient"), 1e-6)


def test_three_updates_lead_to_the_published_parameters(
    base_model: Callable[[int], EmbeddingMLP],
    batches: list[tuple[Batch, ...]],
    below: Callable[[str], dict[str, Tensor]],
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    model = base_model(0)
    updater = updater_on(model, [])
    for step in range(3):
        updater.update(batches[step][0])
    found = as_published["base"](model.state_dict().items())
    close(found, below("embedding_mlp/after_3_adam_steps"), 1e-4)
    # A step moves a coordinate by about the learning rate, 1e-3: the comparison would notice a step that was left out.
    start = below("snapshot0")
    for name, value in below("embedding_mlp/after_3_adam_steps").items():
        assert (value - start[name]).abs().max() > 1e-3
