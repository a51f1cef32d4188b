"""Callbacks that read what another one has done are refused before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from lightning import Callback, LightningModule, Trainer
from trainers import trainer

from asmg_pl.callbacks import PeriodLoop, PeriodProgress, PeriodReport, PhaseCheckpoint, ServingExport, WandbRun
from asmg_pl.callbacks.order import check_order
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncrementalUpdate

pytestmark = pytest.mark.filterwarnings("ignore")


class Own(Callback):
    """A callback of somebody's own."""


LOOP = PeriodLoop()


@pytest.mark.parametrize(
    "callbacks",
    [
        [LOOP],
        [LOOP, PeriodReport(), PeriodProgress(), WandbRun(), ServingExport(), PhaseCheckpoint()],
        [LOOP, ServingExport(), PeriodProgress(), PeriodReport(), WandbRun(), PhaseCheckpoint()],
        [Own(), LOOP, Own(), PhaseCheckpoint(), Own()],
    ],
)
def test_an_order_that_works_is_accepted(callbacks: Sequence[Callback]) -> None:
    check_order(callbacks, LOOP)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([PeriodReport(), LOOP], "PeriodReport before PeriodLoop"),
        ([Own(), PeriodProgress(), LOOP], "PeriodProgress before PeriodLoop"),
        ([PhaseCheckpoint(), LOOP], "PhaseCheckpoint before PeriodLoop"),
        ([LOOP, WandbRun(), PeriodReport()], "WandbRun before PeriodReport"),
        ([LOOP, PhaseCheckpoint(), Own(), ServingExport()], "PhaseCheckpoint before ServingExport"),
    ],
)
def test_an_order_that_goes_wrong_is_refused_with_the_mend(callbacks: Sequence[Callback], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        check_order(callbacks, LOOP)
    late, _, early = message.split()
    assert f"{late} reads what {early} has done: name {early} first" in str(refused.value)


def stream() -> PeriodDataModule:
    return PeriodDataModule(DriftingStream(users=10, items=12, rows=100, categories=3), periods=EqualCounts(5))


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([PeriodReport(), PeriodLoop()], "PeriodReport before PeriodLoop"),
        ([PeriodLoop(), Own(), PeriodLoop()], "PeriodLoop twice"),
    ],
)
def test_a_walk_with_callbacks_that_go_wrong_does_not_begin(
    tmp_path: Path, callbacks: list[Callback], message: str
) -> None:
    data = stream()
    with pytest.raises(ConfigError, match=message):
        trainer(tmp_path, *callbacks).fit(IncrementalUpdate(data.sizes), data)
    assert not list(tmp_path.iterdir())


class NoUpdater(LightningModule):
    """A module that knows nothing of periods."""

    def validation_step(self, batch: object, batch_idx: int) -> None:
        """Nothing."""


def test_a_module_that_is_no_updater_is_not_walked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NoUpdater is none: derive it from Updater"):
        trainer(tmp_path, PeriodLoop()).validate(NoUpdater(), stream())


class Looks(Callback):
    """Notes at the end of each scoring whether the result is there."""

    def __init__(self) -> None:
        self.found: list[bool] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, IncrementalUpdate)
        assert pl_module.phase is not None
        if pl_module.phase.name == "score":
            self.found.append(pl_module.phase.period in pl_module.results)


def test_a_callback_of_somebodys_own_sees_each_phase_before_or_after_its_end(tmp_path: Path) -> None:
    data, before, after = stream(), Looks(), Looks()
    updater = IncrementalUpdate(data.sizes, pretrain_periods=2, pretrain_epochs=1)
    trainer(tmp_path, before, PeriodLoop(until=4), after).fit(updater, data)
    assert before.found == [False, False]
    assert after.found == [True, True]
