"""The generators that are trained on the newest period alone: GRUsingle and ASMG-Linear."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.generators import LinearGenerator
from asmg_pl.updaters import ASMG

Layouts = dict[str, Callable[[Iterable[tuple[str, Tensor]]], dict[str, Tensor]]]
Below = Callable[[str], dict[str, Tensor]]


@pytest.fixture
def newest(batches: list[tuple[Batch, ...]]) -> list[tuple[Batch]]:
    """For each step the newest period's mini-batch, alone."""
    return [(step[-1],) for step in batches]


def train(updater: ASMG, steps: Iterable[tuple[Batch, ...]]) -> list[Tensor]:
    """Train the generator with its own optimiser outside of a trainer; the losses."""
    generator = updater.configure_optimizers()[1]
    losses: list[Tensor] = []

    def step_optimizer(which: int, loss: Tensor) -> None:
        losses.append(loss.detach())
        generator.zero_grad()
        loss.backward()
        generator.step()

    updater.step_optimizer = step_optimizer  # type: ignore[method-assign, assignment]
    for step in steps:
        updater.train_generator(step)
    return losses


def test_gru_single_scores_and_learns_as_published(
    asmg: Callable[..., ASMG],
    newest: list[tuple[Batch]],
    golden: dict[str, Tensor],
    below: Below,
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    updater = asmg(weights="last")
    (logits,) = updater.generated_logits(newest[0])
    torch.testing.assert_close(logits.sigmoid(), golden["gru_single/scores"], atol=1e-6, rtol=0)
    (loss,) = train(updater, newest[:1])
    torch.testing.assert_close(loss, golden["gru_single/loss"], atol=1e-6, rtol=0)
    gradients = ((name, p.grad) for name, p in updater.generator.named_parameters() if p.grad is not None)
    close(as_published["generator"](gradients), below("gru_single/gradient"), 1e-6)


def test_three_steps_lead_to_the_published_gru_single(
    asmg: Callable[..., ASMG],
    newest: list[tuple[Batch]],
    below: Below,
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    updater = asmg(weights="last")
    train(updater, newest)
    found = as_published["generator"](updater.generator.state_dict().items())
    close(found, below("gru_single/after_3_adam_steps"), 1e-4)


def test_the_linear_generator_starts_and_learns_as_published(
    asmg: Callable[..., ASMG],
    newest: list[tuple[Batch]],
    golden: dict[str, Tensor],
    below: Below,
    states_as_published: Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]],
    close: Callable[..., None],
) -> None:
    updater = asmg(generator=LinearGenerator, weights="last")
    (logits,) = updater.generated_logits(newest[0])
    torch.testing.assert_close(logits.sigmoid(), golden["linear/scores"], atol=1e-6, rtol=0)
    losses = train(updater, newest)
    torch.testing.assert_close(losses[0], golden["linear/loss"], atol=1e-6, rtol=0)
    logits_by_name = dict(updater.generator.logits.items())  # type: ignore[union-attr, operator]
    dense = logits_by_name.pop("dense")
    tables = {name.removeprefix("table_"): value for name, value in logits_by_name.items()}
    found = states_as_published(tables, dense)
    published = below("linear/after_3_adam_steps")
    assert found.keys() == published.keys()
    close(found, published, 1e-4)
    assert all(value.abs().max() > 1e-3 for value in published.values()), "the steps moved every parameter"
