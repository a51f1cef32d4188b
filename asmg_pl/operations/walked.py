"""A run folder as the daily job sees it: which stream it walks, how far it has come, and what it has scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.cli import LightningArgumentParser

from asmg_pl.callbacks.report import PLOT
from asmg_pl.callbacks.run_folder import CHECKPOINTS
from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.data import PeriodDataModule
from asmg_pl.data.sources.stream import Stream
from asmg_pl.errors import ConfigError
from asmg_pl.experiments.run_files import section, settings_of
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.storage.address import place

CONFIG = "config.yaml"


@dataclass(frozen=True)
class Progress:
    """How far a run has walked its stream.

    Attributes:
        data: the stream as it is now, cut as the walk has cut it.
        last: the last period that the walk has been through; 0 before the first one.
        complete: whether the walk has been through all complete periods of the stream.
        results: the walk's scores by period.
        cut: how the walk has cut the stream, see :meth:`PeriodDataModule.state_dict`; ``None`` before it has begun.
    """

    data: PeriodDataModule
    last: int
    complete: bool
    results: Mapping[int, PeriodResult]
    cut: Mapping[str, Any] | None = None


class WalkedRun:
    """A run folder, and the stream that it walks.

    Attributes:
        folder: the run folder.
        root: the stream's folder, or its address; ``None`` if the run's source needs none.

    Examples:
        >>> WalkedRun(Path("/nowhere"))
        Traceback (most recent call last):
            ...
        asmg_pl.errors.ConfigError: /nowhere is no run folder, it has no config.yaml: walk there first (asmg fit ... --trainer.default_root_dir /nowhere)
    """  # noqa: E501

    def __init__(self, folder: Path, root: str | Path | None = None, complete_until: str | None = None) -> None:
        """Read a run's configuration.

        Args:
            folder: the run folder.
            root: where the stream is now; by default where the run's configuration has it.
            complete_until: the moment up to which the stream has all rows, of periods by the calendar; by default that
                of the run's configuration.

        Raises:
            ConfigError: if there is no run, or its stream is not there.
            DataError: if its configuration cannot be read.
        """
        if not (folder / CONFIG).is_file():
            raise ConfigError(
                f"{folder} is no run folder, it has no {CONFIG}: walk there first (asmg fit ... "
                f"--trainer.default_root_dir {folder})"
            )
        self.folder = folder
        self._config = settings_of(folder / CONFIG)
        told = section(self._config, "data", path=folder / CONFIG)
        given = told.get("root")
        self.root = root or (None if given is None else place(str(given)))
        if isinstance(self.root, Path) and not self.root.exists():
            raise ConfigError(
                f"there is no {self.root}, which {folder / CONFIG} names as the stream's folder (data.root): call asmg "
                "update in the folder where the walk was begun, or say where the stream is with --root"
            )
        if self.root is not None:
            told["root"] = str(self.root)
        if complete_until is not None:
            periods = section(told, "periods", path=folder / CONFIG)
            settings = section(periods, "init_args") | {"complete_until": complete_until}
            told["periods"] = periods | {"init_args": settings}
        self._told, self._complete_until = told, complete_until

    @property
    def formats(self) -> list[str]:
        """The formats for other programs that each package of the run takes along (``export.formats``)."""
        told = section(self._config, "export", path=self.folder / CONFIG).get("formats") or []
        return [str(each) for each in told]

    def data(self) -> PeriodDataModule:
        """The run's stream, as it is now.

        Raises:
            ConfigError: if the configuration names a class that cannot be made.
        """
        parser = LightningArgumentParser(exit_on_error=False)
        parser.add_lightning_class_args(PeriodDataModule, "data")
        told: dict[str, Any] = {**self._told, "seed": int(self._config.get("seed_everything") or 0)}
        try:
            data: PeriodDataModule = parser.instantiate_classes(parser.parse_object({"data": told})).data
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())[:300]
            mend = "" if self._complete_until is None else ". --complete-until is for periods of the calendar"
            raise ConfigError(f"{self.folder / CONFIG}: the stream cannot be opened ({reason}){mend}") from error
        return data

    def stream(self) -> str | Path:
        """The folder of the stream, or its address, to which rows can be appended.

        Raises:
            ConfigError: if the run walks another source than a converted stream.
        """
        source = self.data().source
        if type(source) is not Stream or self.root is None:
            raise ConfigError(
                f"{self.folder} walks {type(source).__name__}, and rows can be added to a stream of asmg convert only: "
                "leave the files out, and asmg update walks what is new in the source"
            )
        return self.root

    def progress(self) -> Progress:
        """How far the run has walked, by its newest checkpoint.

        Raises:
            CheckpointError: if the checkpoint cannot be read, or its stream is another one.
        """
        data = self.data()
        checkpoints = newest_first(self.folder / CHECKPOINTS)
        if not checkpoints:
            return Progress(data, 0, False, {})
        checkpoint = read_checkpoint(checkpoints[0])
        data.load_state_dict(checkpoint["PeriodDataModule"])
        results = {period: PeriodResult(**result) for period, result in checkpoint["results"].items()}
        last = checkpoint["place"]["period"] - 1  # the place is where the walk goes on
        complete = last >= data.last_period and self._closed(checkpoints[0])
        return Progress(data, last, complete, results, checkpoint["PeriodDataModule"])

    def passed(self, progress: Progress) -> bool:
        """Whether the clock alone has completed a period since, of a run whose periods are complete by the clock."""
        if progress.cut is None or getattr(progress.data.periods, "complete_until", None) != "now":
            return False
        data = self.data()
        data.load_state_dict(dict(progress.cut))
        return data.last_period > progress.last

    def _closed(self, checkpoint: Path) -> bool:
        """Whether the walk has done what comes after its last checkpoint, which is to draw the scores."""
        plot = self.folder / PLOT
        return plot.is_file() and plot.stat().st_mtime_ns >= checkpoint.stat().st_mtime_ns
