"""Export of the serving model: files per period, which another program can map into memory."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError
from asmg_pl.system.files import remove, written_whole
from asmg_pl.updaters.base import Updater

FOLDER = "serving"

#: Rows that are written at a time.
CHUNK = 65536


class ServingExport(Callback):
    """Writes ``serving/after-period-PPPPPP/NAME.npy`` into the run folder, one array per parameter.

    NAME is the parameter's name in the recommender's ``state_dict``. Tables are written in chunks of rows, straight
    from the device, so that there is no second copy of the model in memory. A folder appears when it is whole.
    ``numpy.load(FILE, mmap_mode="r")`` opens an array of any size at once.

    Examples:
        >>> from contextlib import redirect_stdout
        >>> from functools import partial
        >>> from io import StringIO
        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl import DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, walk
        >>> data = PeriodDataModule(DriftingStream(users=20, items=30, rows=300), periods=EqualCounts(3))
        >>> method = partial(IncrementalUpdate, pretrain_periods=1, pretrain_epochs=1)
        >>> with TemporaryDirectory() as folder:
        ...     with redirect_stdout(StringIO()):
        ...         done = walk(method, data, folder, callbacks=[ServingExport(keep=1)])
        ...     np.load(Path(folder, "serving", "after-period-000003", "tables.item.weight.npy"), mmap_mode="r").shape
        (30, 8)
    """

    def __init__(self, keep: int = 0) -> None:
        """Set what is kept.

        Args:
            keep: how many of the newest serving models are kept as files; -1 keeps all, 0 writes none (the default).
        """
        if keep < -1:
            raise ConfigError(f"export.keep must be -1 or at least 0, got {keep}")
        self.keep = keep

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse to export tables that are shared out among ranks.

        Raises:
            ConfigError: if no rank has whole tables.
        """
        if self.keep and isinstance(trainer.strategy, ShardedTables):
            raise ConfigError("export.keep needs whole tables, and trainer.strategy shares them out: set it to 0")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the model when the period's last phase has ended."""
        updater = cast(Updater, pl_module)
        phase = updater.phase
        assert phase is not None
        if self.keep and updater.place.period > phase.period:
            folder = Path(trainer.default_root_dir) / FOLDER
            self._write(updater.served_model().state_dict(), folder / f"after-period-{phase.period:06d}")

    @rank_zero_only
    def _write(self, parameters: dict[str, Tensor], target: Path) -> None:
        with written_whole(target) as partial:
            partial.mkdir()
            for name, values in parameters.items():
                write_array(values, partial / f"{name}.npy")
        there = sorted(target.parent.glob("after-period-*"), reverse=True)
        later = there.index(target)  # of a walk that has gone back to an earlier checkpoint
        for old in [*there[:later], *(there[later + self.keep :] if self.keep > 0 else [])]:
            remove(old)


def write_array(values: Tensor, path: Path) -> None:
    """Write a tensor as a ``.npy`` file, a chunk of rows at a time.

    The file is not written through mapped memory, since a full disk would then end the process without a message.
    """
    dtype = np.dtype(str(values.dtype).removeprefix("torch."))
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(values.shape)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for rows in values.reshape(values.shape or (1,)).split(CHUNK):
            file.write(rows.cpu().contiguous().numpy().tobytes())
