"""What finished walks have left in their folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import polars as pl
import yaml
from walks import PEAK

from asmg_pl.errors import DataError


@dataclass(frozen=True)
class Run:
    """A walk, as its folder or a tracking server tells of it.

    Attributes:
        method: the name of the row that it belongs to in a table; runs of one method differ in their seeds.
        seed: its ``seed_everything``.
        config: the whole resolved configuration, nested; empty where it was not kept.
        metrics: the columns of ``metrics.csv``, a row per scored period.
        timings: those of ``timings.csv``, a row per phase; without rows where it was not kept.
        peak_mib: the largest resident memory of the process, by whoever started it or else by its own timings.
        place: where it was found, for messages.
    """

    method: str
    seed: int
    config: Mapping[str, Any]
    metrics: pl.DataFrame
    timings: pl.DataFrame = field(default_factory=pl.DataFrame)
    peak_mib: float | None = None
    place: str = ""


def read_run(folder: Path, method: str | None = None, seed: int | None = None) -> Run:
    """Read a run folder.

    Args:
        folder: where ``asmg fit`` has walked.
        method: by default the folder's name, or, of a folder ``seed-N``, that of the folder which it is in.
        seed: by default that of the run's configuration.

    Raises:
        DataError: if nothing has been scored there.
    """
    metrics, timings, config = folder / "metrics.csv", folder / "timings.csv", folder / "config.yaml"
    if not metrics.exists() or not metrics.read_text().strip():
        raise DataError(f"{folder} has no scores (metrics.csv): give the folder of a run that has passed pre-training")
    told = yaml.safe_load(config.read_text()) if config.exists() else {}
    steps = pl.read_csv(timings) if timings.exists() else pl.DataFrame()
    noted, phases = folder / PEAK, steps.get_column("peak_mib", default=pl.Series([], dtype=pl.Float64))
    return Run(
        method=method or _method(folder.resolve()),
        seed=int(told.get("seed_everything", 0)) if seed is None else seed,
        config=told,
        metrics=pl.read_csv(metrics),
        timings=steps,
        peak_mib=float(noted.read_text()) if noted.exists() else cast(float | None, phases.max()),
        place=str(folder),
    )


def read_runs(folders: Mapping[int, Path]) -> list[Run]:
    """The runs of a method whose folders are known by seed."""
    return [read_run(folder, seed=seed) for seed, folder in folders.items()]


def find_runs(places: Iterable[Path]) -> list[Run]:
    """All runs in some folders, each a run folder or one that holds run folders however deep.

    A run's method is the path to it from the folder given, without ``seed-N``: ``runs/all`` holds the methods ``iu``,
    ``gru_multi/window=3``, and so on. Pre-training that stopped there has scored nothing and is passed over.

    Raises:
        DataError: if a folder holds no run.
    """
    runs = []
    for place in places:
        found = sorted(path.parent for path in place.rglob("metrics.csv") if path.read_text().strip())
        if not found:
            raise DataError(f"there is no run in {place}: give folders in which asmg fit has walked")
        for folder in found:
            inner = "/".join(part for part in folder.relative_to(place).parts if not _SEED.fullmatch(part))
            runs.append(read_run(folder, method=inner or None))
    return runs


def scores(runs: Iterable[Run], split: str = "test") -> pl.DataFrame:
    """What the serving models scored on the periods of a split: columns ``seed``, ``period`` and each metric.

    Undefined scores are null.
    """
    tables = [
        run.metrics.filter(pl.col("split") == split).select(
            pl.lit(run.seed).alias("seed"),
            "period",
            pl.col("^serving_.*$").cast(pl.Float64).name.replace("^serving_", ""),
        )
        for run in runs
    ]
    return pl.concat(tables, how="diagonal").fill_nan(None)


def cost(run: Run, periods: pl.Series) -> dict[str, float | None]:
    """Optimiser steps and seconds per period, scoring left out, and peak memory in MiB; ``None`` where not known."""
    if run.timings.is_empty() or periods.is_empty():
        return {"steps": None, "seconds": None, "peak_mib": run.peak_mib}
    timings = run.timings.filter(pl.col("period").is_in(periods.implode()), pl.col("phase") != "score")
    return {
        "steps": float(timings["steps"].to_numpy().sum()) / len(periods),
        "seconds": float(timings["seconds"].to_numpy().sum()) / len(periods),
        "peak_mib": run.peak_mib,
    }


def setting(run: Run) -> str:
    """Batch size, passes and learning rates of the updates as the walk had them."""
    if not run.config:
        return ""
    found = {"batch": run.config["data"]["batch_size"]}
    model = run.config["model"]["init_args"]
    found |= {name: model[name] for name in model if name.endswith(("passes", "learning_rate"))}
    found.pop("pretrain_learning_rate", None)
    return ", ".join(f"{name.replace('learning_rate', 'lr').replace('_', ' ')} {found[name]:g}" for name in found)


def summary(runs: Sequence[Run], split: str = "test") -> dict[str, Any]:
    """Setting, mean scores, the AUC's standard deviation over the seeds, and costs, of the runs of one method.

    Steps are the mean over the seeds, seconds those of the fastest seed, as other load on the machine only adds to
    them, and memory that of the largest.
    """
    found = scores(runs, split)
    by_seed = found.group_by("seed").agg(pl.col("auc").mean())["auc"].to_numpy()
    costs = pl.DataFrame([cost(run, found["period"].unique()) for run in runs])
    return {
        "setting": setting(runs[0]),
        **found.select(pl.col("auc", "logloss").mean()).row(0, named=True),
        "auc_std": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        **costs.select(pl.mean("steps"), pl.min("seconds"), pl.max("peak_mib")).row(0, named=True),
    }


_SEED = re.compile(r"seed-\d+")


def _method(folder: Path) -> str:
    return folder.parent.name if _SEED.fullmatch(folder.name) else folder.name
