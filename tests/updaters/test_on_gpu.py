"""Updaters on a CUDA device: the numbers of the CPU, and steps that do not wait for the device."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from updaters.test_asmg import BIG, random_batches, random_model

from asmg_pl.data.batch import Batch
from asmg_pl.generators import Generator, GRUGenerator, ResidualGRU, RowGenerator
from asmg_pl.updaters import ASMG
from asmg_pl.updaters.optim.adam import Adam, RowAdam

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GENERATORS = [GRUGenerator, ResidualGRU, RowGenerator]


def on_both(generator: Callable[..., Generator], **options: Any) -> tuple[ASMG, ASMG]:
    """The same updater on the CPU in plain operations, and on the device with its kernel."""
    plain = random_model(BIG, generator=generator, **options)
    device = copy.deepcopy(plain).cuda()
    device.generator.fuse(device.device)
    return plain, device


def moved(batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
    def on_gpu(each: Any) -> Any:
        return each.cuda() if isinstance(each, Tensor) else each

    return tuple(Batch(*map(on_gpu, batch)) for batch in batches)


def gradients(updater: ASMG, loss: Tensor) -> list[Tensor]:
    updater.generator.zero_grad()
    loss.backward()
    return [p.grad.cpu() for p in updater.generator.parameters() if p.grad is not None]


@pytest.mark.parametrize("generator", GENERATORS)
def test_loss_and_gradients_are_those_of_the_cpu(generator: Callable[..., Generator]) -> None:
    plain, device = on_both(generator)
    batches = random_batches(BIG)
    one, other = plain.generator_loss(batches), device.generator_loss(moved(batches))
    torch.testing.assert_close(other.detach().cpu(), one.detach(), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(gradients(device, other), gradients(plain, one), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("bfloat16_state", [False, True])
@pytest.mark.parametrize("generator", GENERATORS)
def test_serving_model_and_state_are_those_of_the_cpu(
    generator: Callable[..., Generator], bfloat16_state: bool
) -> None:
    plain, device = on_both(generator, bfloat16_state=bfloat16_state)
    for updater in (plain, device):
        updater.make_generated()
        updater.carry_state()
    loose = 2e-2 if bfloat16_state else 1e-4
    for one, other in [(plain.generated, device.generated), (plain.history.hidden, device.history.hidden)]:
        for (name, theirs), ours in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            torch.testing.assert_close(ours.cpu(), theirs, rtol=loose, atol=loose / 10, msg=name)


def test_a_step_of_the_generator_does_not_wait_for_the_device() -> None:
    _, device = on_both(ResidualGRU)
    optimizer = Adam(device.generator.parameters(), lr=1e-3)
    batches = moved(random_batches(BIG))

    def step() -> None:
        optimizer.zero_grad()
        device.generator_loss(batches).backward()
        optimizer.step()

    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("row_wise", [False, True])
def test_steps_of_the_base_model_are_those_of_the_cpu(row_wise: bool) -> None:
    plain, device = on_both(ResidualGRU)
    losses = []
    for updater, there in [(plain, False), (device, True)]:
        updater.recommender.row_wise = row_wise
        optimizer = (RowAdam if row_wise else Adam)(updater.recommender.parameters(), lr=1e-2)
        batches = random_batches(BIG)
        for batch in (moved(batches) if there else batches) * 3:
            optimizer.zero_grad()
            loss = updater.cross_entropy(batch)
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
    half = len(losses) // 2
    assert losses[half:] == pytest.approx(losses[:half], rel=1e-4)
