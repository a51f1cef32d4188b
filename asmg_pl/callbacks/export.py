"""Serving packages along the walk: one after each period, in the run folder's store."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.callbacks.packaging import check_description, completed_period, on_first_process
from asmg_pl.callbacks.packaging import write_package as write_package
from asmg_pl.data.so_far import SoFar
from asmg_pl.errors import ConfigError
from asmg_pl.serving.classes import paths_in
from asmg_pl.serving.contents import Contents
from asmg_pl.serving.formats.beside import are_beside, write_beside
from asmg_pl.serving.formats.names import check_formats, check_recommender
from asmg_pl.serving.package import open_package
from asmg_pl.serving.store import FOLDER, Store, order
from asmg_pl.serving.writer import write
from asmg_pl.updaters.base import Updater

#: How long a walk waits for another program that writes to the store, in seconds.
PATIENCE = 600.0


class ServingExport(Callback):
    """Writes a serving package after each period, ``serving/after-period-PPPPPP`` in the run folder, and lets it serve.

    A package needs neither the run nor the stream (docs/serving.md). It appears whole, and ``serving/current`` names
    the newest one. Tables are written in chunks of rows, straight from the device, so that there is no second copy of
    the model in memory; of tables that are shared out among processes too.

    Examples:
        >>> from contextlib import redirect_stdout
        >>> from functools import partial
        >>> from io import StringIO
        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl import DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, walk
        >>> from asmg_pl.serving import Store, open_package
        >>> data = PeriodDataModule(DriftingStream(users=20, items=30, rows=300), periods=EqualCounts(3))
        >>> method = partial(IncrementalUpdate, pretrain_periods=1, pretrain_epochs=1)
        >>> with TemporaryDirectory() as folder:
        ...     with redirect_stdout(StringIO()):
        ...         done = walk(method, data, folder, callbacks=[ServingExport(keep=1)])
        ...     store = Store(Path(folder, "serving"))
        ...     store.current(), open_package(store.path()).sizes.items
        ('after-period-000003', 30)
    """

    def __init__(self, keep: int = 0, formats: list[str] | None = None) -> None:
        """Set what is kept.

        Args:
            keep: how many of the newest serving packages are kept; -1 keeps all, 0 writes none (the default).
            formats: formats for other programs that each package takes along, ``pt2``, ``onnx`` and ``vectors``; those
                of ``asmg update`` too. A package whose formats cannot be written does not serve, and the walk stops.
        """
        if keep < -1:
            raise ConfigError(f"export.keep must be -1 or at least 0, got {keep}")
        self.keep, self.formats = keep, formats or []
        if self.formats:
            check_formats(self.formats)
        self._so_far: SoFar | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that a package can name the model, before any work is done.

        Raises:
            ConfigError: if it cannot, or if it does not have the formats that are wanted.
        """
        self._so_far = None
        if self.keep and stage == "fit":
            updater = cast(Updater, pl_module)
            check_description(updater)
            check_recommender(updater.recommender, self.formats)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the package when the period's last phase has ended."""
        updater = cast(Updater, pl_module)
        phase = updater.phase
        assert phase is not None
        if not self.keep or updater.place.period <= phase.period:
            return
        data = updater.data
        period = completed_period(updater)
        if trainer.is_global_zero and self._so_far is None:
            self._so_far = SoFar(data.log, data.history_size)
        store = Store(Path(trainer.default_root_dir) / FOLDER, wait=PATIENCE)
        on_first_process(updater, data, lambda contents: self._publish(store, contents, period), self._so_far)

    def _publish(self, store: Store, contents: Contents, period: int) -> None:
        with store.lock():
            name = store.add(period, lambda folder: write(contents, folder))
            if self.formats:
                package = open_package(store.path(name), [*paths_in(contents.recommender)])
                if not are_beside(package, store, self.formats):
                    write_beside(package, store, self.formats)
            store.publish(name)
            # Later ones, and others of this period, are of a walk that has gone back to an earlier checkpoint.
            store.remove([each for each in store.versions() if order(each)[1] >= period and each != name])
            if self.keep > 0:
                store.prune(self.keep)
