"""Runs on Weights & Biases, read through its API as if they were run folders."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from asmg_pl.errors import DataError
from asmg_pl.experiments.run_files import scored
from asmg_pl.experiments.runs import PASSED_OVER, Run

logger = logging.getLogger(__name__)

#: Columns of ``metrics.csv`` by what a history calls them; scores are MODEL/METRIC there and MODEL_METRIC here.
PLAIN = {"period": "period", "split": "split", "data/rows": "rows", "data/positives": "positives"}


def wandb_runs(project: str, experiment: str | None = None) -> list[Run]:
    """The runs of a project that walks with ``--wandb.project`` have left.

    Args:
        project: as ``ENTITY/PROJECT``.
        experiment: only those of this group.

    Raises:
        DataError: if there is none, or none with a period scored.
    """
    import wandb

    filters = {"group": experiment} if experiment else None
    found = []
    for run in wandb.Api().runs(project, filters=filters):
        rows = [row for row in run.scan_history() if row.get("period") is not None]
        if rows:
            method, place = run.job_type or run.name, f"{project}/{run.id}"
            stopped = "diverged" if run.summary.get("diverged") else ""
            try:
                found.append(replace(from_history(rows, run.config, method, place), stopped=stopped))
            except (DataError, KeyError, TypeError, ValueError) as error:
                known = isinstance(error, DataError)
                logger.warning(PASSED_OVER, error if known else f"{place}: its history is not that of a walk")
    if not found:
        of_experiment = f" of experiment {experiment}" if experiment else ""
        raise DataError(f"{project} has no run{of_experiment} with a period scored: see --wandb.project of asmg fit")
    return found


#: What a run's configuration tells of its origin, beside the settings.
PROVENANCE: dict[str, type] = {"code": Mapping, "stream": Mapping, "lifetimes": str}


def from_history(rows: Iterable[Mapping[str, Any]], config: Mapping[str, Any], method: str, place: str) -> Run:
    """A run of the rows of its history, one per period; undefined scores come as the text ``NaN``."""
    rows = list(rows)
    metrics = [
        {
            PLAIN.get(name, name.replace("/", "_", 1)): value if name == "split" else float(value)
            for name, value in row.items()
            if name in PLAIN or ("/" in name and not name.startswith(("data/", "cost/")))
        }
        for row in rows
    ]
    timings = [
        {"period": row["period"], "phase": "all", "steps": row["cost/steps"], "seconds": row["cost/seconds"]}
        for row in rows
        if "cost/steps" in row
    ]
    table = pl.DataFrame(metrics, infer_schema_length=None)
    counts = [name for name in ("period", "rows", "positives") if name in table.columns]
    return Run(
        method=method,
        seed=int(config.get("seed_everything", 0)),
        config={name: value for name, value in config.items() if name in ("data", "model", "seed_everything")},
        metrics=scored(table.with_columns(pl.col(counts).cast(pl.Int64)), place),
        timings=pl.DataFrame(timings),
        peak_mib=max((row["cost/peak_mib"] for row in rows if "cost/peak_mib" in row), default=None),
        place=place,
        provenance={name: config[name] for name, kind in PROVENANCE.items() if isinstance(config.get(name), kind)},
    )
