"""Runs: what walks have left in their folders."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import polars as pl

from asmg_pl.callbacks.file_names import DIVERGED, PROVENANCE
from asmg_pl.errors import DataError
from asmg_pl.experiments.run_files import (
    learned_of,
    metrics_of,
    peak_of,
    provenance_of,
    schedule_of,
    section,
    settings_of,
    text_of,
    timings_of,
)
from asmg_pl.experiments.walks import PEAK
from asmg_pl.storage.address import is_address, shown
from asmg_pl.storage.copy import Copy
from asmg_pl.storage.remote import RemoteFolder

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

#: The message about a file or a folder that is left out.
PASSED_OVER = "passed over: %s"

#: The scores of a walk that has diverged before it had scored anything.
UNSCORED = {
    **{"period": pl.Int64, "split": pl.String, "rows": pl.Int64, "positives": pl.Int64},
    **{"serving_auc": pl.Float64, "serving_logloss": pl.Float64},
}


@dataclass(frozen=True)
class Run:
    """A walk as its folder, or a tracking server, describes it.

    Attributes:
        method: the name of the row that it belongs to in a table; runs of one method differ in their seeds.
        seed: its ``seed_everything``.
        config: the whole resolved configuration, nested; empty where it was not kept.
        metrics: the columns of ``metrics.csv``, a row per scored period, as :func:`run_files.scored` has them: null is
            a score that is not defined, and NaN that of a model that has diverged.
        timings: those of ``timings.csv``, a row per phase; without rows where it was not kept.
        peak_mib: the largest resident memory of the process, by whoever started it or else by its own timings.
        place: where it was found, for messages.
        stopped: in which phase the walk has stopped since something was not finite; empty if it has not.
        provenance: when it was walked, by which version of the program, and along which stream, as
            :func:`asmg_pl.callbacks.provenance.provenance` has it; empty where it was not kept.
    """

    method: str
    seed: int
    config: Mapping[str, Any]
    metrics: pl.DataFrame
    timings: pl.DataFrame = field(default_factory=pl.DataFrame)
    peak_mib: float | None = None
    place: str = ""
    stopped: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def diverged(self) -> str:
        """That the walk has diverged, and where; empty if it has not."""
        periods = self.metrics.filter(pl.col("serving_logloss").is_nan())["period"].to_list()
        if periods:
            return f"diverged in period {', '.join(map(str, periods))}"
        return self.stopped

    @cached_property
    def last(self) -> int:
        """The newest period that it has scored; 0 if there is none."""
        return max(self.metrics["period"].to_list(), default=0)


def read_run(folder: Path, method: str | None = None, seed: int | None = None) -> Run:
    """Read a run folder.

    Files beside its scores and its configuration that cannot be read are passed over with a word.

    Args:
        folder: where ``asmg fit`` has walked.
        method: by default the folder's name, or, of a folder ``seed-N``, that of the folder which it is in.
        seed: by default that of the run's configuration.

    Raises:
        DataError: if nothing has been scored there, or its scores or its configuration cannot be read.
    """
    path, config = folder / "metrics.csv", folder / "config.yaml"
    metrics = metrics_of(path) if path.exists() or path.is_symlink() else pl.DataFrame()
    if metrics.is_empty() and (folder / DIVERGED).exists():
        metrics = pl.DataFrame(schema=UNSCORED)
    elif metrics.is_empty():
        raise DataError(f"{folder} has no scores (metrics.csv): give the folder of a run that has passed pre-training")
    told = settings_of(config) if config.exists() else {}
    for names in (("data",), ("model",), ("model", "init_args")):
        section(told, *names, path=config)
    known = told.get("seed_everything") or 0
    if not isinstance(known, int):
        raise DataError(f"{config}: seed_everything must be a whole number, not {str(known)[:40]!r}")
    timings = _optional(folder / "timings.csv", timings_of)
    steps = pl.DataFrame() if timings is None else timings
    watched = _optional(folder / PEAK, peak_of)
    noted = steps.get_column("peak_mib", default=pl.Series([], dtype=pl.Float64)).to_list()
    return Run(
        method=method or _method(folder.resolve()),
        seed=int(known) if seed is None else seed,
        config=told,
        metrics=metrics,
        timings=steps,
        peak_mib=max((peak for peak in noted if peak is not None), default=None) if watched is None else watched,
        place=str(folder),
        stopped=_stopped(folder / DIVERGED),
        provenance=_optional(folder / PROVENANCE, provenance_of) or {},
    )


def learned(run: Run) -> pl.DataFrame | None:
    """What the run's generator has learned, if that was kept and can be read."""
    return _optional(Path(run.place, "learned.csv"), learned_of)


def scheduled(run: Run) -> pl.DataFrame | None:
    """The settings that self-tuning has let race, if that was kept and can be read."""
    return _optional(Path(run.place, "schedule.csv"), schedule_of)


def _optional(path: Path, read: Callable[[Path], Read]) -> Read | None:
    """What a file holds, or nothing if it is not there or cannot be read, which is said."""
    try:
        return read(path) if path.exists() else None
    except DataError as error:
        logger.warning(PASSED_OVER, error)
    except OSError as error:
        logger.warning(PASSED_OVER, f"{path}: {error.strerror}")
    return None


def _stopped(path: Path) -> str:
    """Where a walk says that it has diverged; that it has, if it does not say where."""
    words = (_optional(path, lambda there: text_of(there, 100_000)) or "").partition(":")[0].strip()
    if words.startswith("the walk has diverged in "):
        return words.removeprefix("the walk has ")
    return "diverged" if path.exists() or path.is_symlink() else ""


def read_runs(folders: Mapping[int, Path]) -> list[Run]:
    """The runs of a method whose folders are known by seed."""
    return [read_run(folder, seed=seed) for seed, folder in folders.items()]


def find_runs(places: Iterable[str | Path]) -> list[Run]:
    """All runs in some folders or at addresses, each a run folder or one that holds run folders however deep.

    A run's method is the path to it from the folder given, without ``seed-N``: ``runs/all`` holds the methods ``iu``,
    ``gru_multi/window=3``, and so on. Pre-training that stopped there has scored nothing and is passed over; so is,
    with a word, a run whose files cannot be read.

    Raises:
        DataError: if a folder holds no run that can be read.
    """
    runs = []
    for place in places:
        found, damaged = [], []
        for folder, below in _runs_at(str(place)) if is_address(place) else _runs_in(Path(place)):
            inner = "/".join(part for part in below.parts if not _SEED.fullmatch(part))
            try:
                if _only_pretrained(folder):
                    continue
                found.append(read_run(folder, method=inner or None))
            except DataError as error:
                damaged.append(error)
        if not found:
            why = f"{damaged[0]}" if damaged else "give folders in which asmg fit has walked"
            raise DataError(f"there is no run in {shown(place) if isinstance(place, str) else place}: {why}")
        for reason in damaged:
            logger.warning(PASSED_OVER, reason)
        runs += found
    return runs


def _runs_in(place: Path) -> list[tuple[Path, PurePath]]:
    return [(folder, folder.relative_to(place)) for folder in _folders(place)]


def _runs_at(address: str) -> list[tuple[Path, PurePath]]:
    """The runs at an address, in this machine's cache, with their paths below the address; only tables are fetched."""
    found = []
    for below in RemoteFolder.below(address):
        copy, folder = Copy.view(f"{address.rstrip('/')}/{below}")
        copy.fetch(lambda path: "/" not in path and not path.endswith(".png"))
        if (folder / "metrics.csv").is_file():
            whole = PurePath(urlsplit(address).path) / below
            found.append((folder, PurePath(below if _SEED.sub("", below).strip("/") else _method(whole))))
    return found


def _folders(place: Path) -> list[Path]:
    """The folders that have a file of scores. Links to folders are not followed: they may lead in a circle."""

    def unreadable(error: OSError) -> None:
        if Path(str(error.filename)) != place:
            logger.warning(PASSED_OVER, f"{error.filename}: {error.strerror}")

    walked = os.walk(place, onerror=unreadable)
    return sorted(Path(folder) for folder, inner, files in walked if "metrics.csv" in (*files, *inner))


def _only_pretrained(folder: Path) -> bool:
    metrics = folder / "metrics.csv"
    return metrics.is_file() and metrics.stat().st_size == 1 and not (folder / DIVERGED).exists()


_SEED = re.compile(r"seed-\d+")


def _method(folder: PurePath) -> str:
    return folder.parent.name if _SEED.fullmatch(folder.name) else folder.name
