"""Short walks that the check of an updater compares, and what is heard on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import seed_everything
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from asmg_pl.callbacks import PeriodLoop, PhaseCheckpoint
from asmg_pl.callbacks.defaults import TRAINER_DEFAULTS
from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.data import Batch, EqualRows, InteractionLog, PeriodDataModule, Periods
from asmg_pl.data.sources import Source
from asmg_pl.system.quiet import quiet
from asmg_pl.testing.rules import Rules
from asmg_pl.testing.samples import GrowingStream
from asmg_pl.updaters import Updater

#: Rows of a period.
ROWS = 30


class WithGap(Periods):
    """Periods of equally many rows, one of which has none."""

    def __init__(self, empty: int) -> None:
        """Choose the period.

        Args:
            empty: its number.
        """
        self.empty = empty

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        """See :meth:`Periods.cut`."""
        whole = EqualRows(ROWS).cut(log)
        return [*whole[: self.empty], whole[self.empty - 1], *whole[self.empty :]]


class Listener(Callback):
    """Notes what a walk does in the first phase of each period after pre-training, and refuses rows of later periods.

    Attributes:
        logits: by period and model, what the model gave the period's rows before anything else happened, float [rows].
        trained_first: periods whose first phase has changed parameters.
    """

    def __init__(self, rules: Rules) -> None:
        """Start with nothing heard.

        Args:
            rules: those by which the updater is checked.
        """
        self.rules = rules
        self.logits: dict[tuple[int, str], Tensor] = {}
        self.trained_first: list[int] = []
        self._first: dict[int, tuple[str, int, int]] = {}  # name, pass and turn of each period's first phase
        self._steps = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note what the models give the mini-batch if the period has just arrived.

        Raises:
            BrokenRule: if the mini-batch has a user who first appears in a later period.
        """
        updater = _updater(pl_module)
        phase = updater.phase
        assert phase is not None
        if phase.period <= updater.pretrain_periods:
            return
        users = trainer.datamodule.sizes_by(phase.period).users  # type: ignore[attr-defined]
        for rows in [batch] if isinstance(batch, Batch) else batch:
            self.rules.require(
                not len(rows.user) or int(rows.user.max()) < users,
                f"the phase {phase.name} of period {phase.period} reads rows of a later period: a phase of period t "
                "reads periods up to t",
            )
        self._steps = trainer.global_step
        place = phase.name, phase.repeat, phase.reading.turn
        if self._first.setdefault(phase.period, place) == place:
            with torch.no_grad(), updater.full_precision():
                found = updater.logits(batch) if isinstance(batch, Batch) else {}
            for name, logits in found.items():
                before = self.logits.get((phase.period, name), logits[:0])
                self.logits[phase.period, name] = torch.cat([before, logits])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note whether the period's first phase has trained."""
        phase = _updater(pl_module).phase
        assert phase is not None
        first = self._first.get(phase.period) == (phase.name, phase.repeat, phase.reading.turn)
        if first and trainer.global_step != self._steps:
            self.trained_first.append(phase.period)


def short_walk(
    make: Callable[[Any], Updater],
    periods: int,
    folder: Path | None = None,
    resume: Path | None = None,
    turned: range = range(0),
    cut: Periods | None = None,
    listener: Listener | None = None,
    stream: Source | None = None,
) -> Updater:
    """Walk a stream of so many short periods on the CPU.

    Args:
        make: makes the updater of the sizes.
        periods: how many periods of :data:`ROWS` rows the stream has; half a period more waits.
        folder: gets a checkpoint after each phase; without one, there are none.
        resume: the checkpoint to go on from.
        turned: rows whose label is turned round.
        cut: how time is cut, by default into these periods.
        listener: hears the walk.
        stream: another stream than the usual one of so many periods.
    """
    with quiet(), isolate_rng():
        seed_everything(1234, verbose=False)
        stream = stream or GrowingStream(ROWS * periods + ROWS // 2, turned)
        data = PeriodDataModule(stream, periods=cut or EqualRows(ROWS), batch_size=16, history_size=4)
        updater = make(data.sizes)
        heard = [] if listener is None else [listener]
        keeping = [] if folder is None else [PhaseCheckpoint(keep=1000)]
        trainer = Trainer(
            **TRAINER_DEFAULTS,
            default_root_dir=folder,
            accelerator="cpu",
            devices=1,
            plugins=[AtomicCheckpointIO()],  # which reads the checkpoints where none is written, too
            enable_checkpointing=folder is not None,
            enable_progress_bar=False,
            callbacks=[PeriodLoop(), *heard, *keeping],
        )
        trainer.fit(updater, data, ckpt_path=resume)
    return updater


def tensors(updater: Updater) -> dict[str, Tensor]:
    """All parameters and buffers that are saved, by name."""
    return {name: value for name, value in updater.state_dict().items() if isinstance(value, Tensor)}


def differing(first: Updater, second: Updater) -> list[str]:
    """The names of what differs between two updaters, of their tensors and of the results of periods."""
    ours, theirs = tensors(first), tensors(second)
    found = [name for name in ours if name not in theirs or not torch.equal(ours[name], theirs[name])]
    return found + [f"the results of period {p}" for p in differing_results(first, second)]


def differing_results(first: Updater, second: Updater) -> list[int]:
    """The periods that both have scored, otherwise."""
    common = first.results.keys() & second.results.keys()
    return [period for period in sorted(common) if repr(first.results[period]) != repr(second.results[period])]


def _updater(module: LightningModule) -> Updater:
    assert isinstance(module, Updater)
    return module
