"""Lightning's hooks around a step are called where somebody listens, and make no difference to the numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

import asmg_pl
from asmg_pl.data import Batch, EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.updaters import IncrementalUpdate, Updater
from asmg_pl.updaters.walking.listeners import overrides, somebody_listens

STREAM = DriftingStream(users=10, items=12, rows=300, categories=3)

pytestmark = pytest.mark.filterwarnings("ignore")


class Norms(Callback):
    """Counts the steps that it hears of."""

    def __init__(self) -> None:
        self.heard = 0

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        self.heard += 1


class Deaf(Callback):
    """Has no hook around a step."""


class Numbers(Callback):
    """Notes the numbers of the mini-batches that it sees."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        assert isinstance(batch, Batch)
        self.seen.add(batch_idx)


def trainer(*callbacks: Callback, **options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*callbacks],
        **options,
    )


def test_callbacks_modules_and_profilers_can_listen() -> None:
    class Listening(LightningModule):
        def on_after_backward(self) -> None:
            """Listen."""

    assert not somebody_listens(trainer(Deaf()), LightningModule())
    assert somebody_listens(trainer(Deaf(), Norms()), LightningModule())
    assert somebody_listens(trainer(), Listening())
    assert somebody_listens(trainer(profiler="simple"), LightningModule())


def test_a_class_overrides_what_it_or_its_parents_define() -> None:
    class Child(Norms):
        """Inherits the hook."""

    assert overrides(Child(), Callback, "on_before_optimizer_step")
    assert not overrides(Child(), Callback, "on_after_backward")


def walked(*callbacks: Callback) -> Updater:
    torch.manual_seed(3)
    data = PeriodDataModule(STREAM, periods=EqualCounts(5), batch_size=16, history_size=3)
    updater = IncrementalUpdate(data.sizes, pretrain_periods=2, pretrain_epochs=1, test_from=4)
    quiet: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False}
    return asmg_pl.walk(updater, data, callbacks=[*callbacks], **quiet).updater


def test_hooks_and_bundles_change_neither_numbers_nor_the_count_of_steps() -> None:
    norms, numbers = Norms(), Numbers()
    walks = [walked(), walked(norms), walked(numbers)]
    plain, heard, seen = walks
    assert norms.heard == plain.trainer.global_step == heard.trainer.global_step == seen.trainer.global_step > 0
    assert max(numbers.seen) > 1  # each mini-batch comes by itself where a callback has a hook for it
    assert plain.data.bundles
    assert not seen.data.bundles
    for parameters in zip(*(updater.parameters() for updater in walks), strict=True):
        assert torch.equal(parameters[0], parameters[1])
        assert torch.equal(parameters[0], parameters[2])
