"""ASMG with the published GRU generator against the published code: losses, states, gradients, three steps of Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.updaters import ASMG

Layouts = dict[str, Callable[[Iterable[tuple[str, Tensor]]], dict[str, Tensor]]]
Below = Callable[[str], dict[str, Tensor]]
States = Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]]


def train(updater: ASMG, batches: Iterable[tuple[Batch, ...]]) -> list[Tensor]:
    """Train the generator with its optimiser, outside of a trainer; the losses."""
    optimizers = updater.configure_optimizers()
    losses: list[Tensor] = []

    def step_optimizer(which: int, loss: Tensor) -> None:
        losses.append(loss.detach())
        optimizers[which].zero_grad()
        loss.backward()
        optimizers[which].step()

    updater.step_optimizer = step_optimizer  # type: ignore[method-assign, assignment]
    for step in batches:
        updater.train_generator(step)
    return losses


def test_each_generated_model_scores_its_batch_as_published(
    asmg: Callable[..., ASMG], batches: list[tuple[Batch, ...]], golden: dict[str, Tensor]
) -> None:
    for position, logits in enumerate(asmg().generated_logits(batches[0])):
        expected = golden[f"gru_multi/scores/period{position}"]
        torch.testing.assert_close(logits.sigmoid(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("weights", ["linear", "uniform", "exp"])
def test_the_multi_step_loss_is_the_published_one(
    asmg: Callable[..., ASMG], batches: list[tuple[Batch, ...]], golden: dict[str, Tensor], weights: str
) -> None:
    (loss,) = train(asmg(weights=weights), batches[:1])
    torch.testing.assert_close(loss, golden[f"gru_multi/loss/{weights}"], atol=1e-6, rtol=0)


def test_states_after_each_window_step_are_the_published_ones(
    asmg: Callable[..., ASMG], below: Below, states_as_published: States, close: Callable[..., None]
) -> None:
    updater = asmg()
    tables = {}
    for name, table in updater.recommender.table_parameters().items():
        _, tables[name] = updater.generator.table(name, *updater.history.rows(name, torch.arange(len(table))))
    _, dense = updater.generator.dense(*updater.history.dense_window())
    for step in range(updater.history.window):
        found = states_as_published({name: states[step] for name, states in tables.items()}, dense[step])
        close(found, {name: value[..., step] for name, value in below("gru_multi/hidden").items()}, 1e-6)


@pytest.mark.parametrize("chunk_rows", [4, 65536])
def test_the_carried_state_is_the_one_after_the_first_window_step(
    asmg: Callable[..., ASMG], below: Below, states_as_published: States, close: Callable[..., None], chunk_rows: int
) -> None:
    updater = asmg(chunk_rows=chunk_rows)
    updater.carry_state()
    found = states_as_published(dict(updater.history.hidden.named_buffers()), updater.history.dense_hidden)
    close(found, {name: value[..., 0] for name, value in below("gru_multi/hidden").items()}, 1e-6)


def test_the_gradient_by_every_generator_weight_is_the_published_one(
    asmg: Callable[..., ASMG],
    batches: list[tuple[Batch, ...]],
    below: Below,
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    updater = asmg()
    train(updater, batches[:1])
    gradients = ((name, p.grad) for name, p in updater.generator.named_parameters() if p.grad is not None)
    close(as_published["generator"](gradients), below("gru_multi/gradient_linear"), 1e-6)


def test_no_gradient_reaches_the_base_model(asmg: Callable[..., ASMG], batches: list[tuple[Batch, ...]]) -> None:
    updater = asmg()
    train(updater, batches[:1])
    assert all(p.grad is None for p in updater.recommender.parameters())


def test_three_steps_lead_to_the_published_generator(
    asmg: Callable[..., ASMG],
    batches: list[tuple[Batch, ...]],
    below: Below,
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    updater = asmg()
    train(updater, batches)
    found = as_published["generator"](updater.generator.state_dict().items())
    close(found, below("gru_multi/after_3_adam_steps_linear"), 1e-4)
