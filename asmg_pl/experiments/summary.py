"""One method's runs in a few numbers: its setting, mean scores and costs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from asmg_pl.experiments.run_files import section
from asmg_pl.experiments.runs import Run

#: What an updater takes where its configuration has ``null``, and nothing races.
DEFAULTS = {"learning_rate": 1e-3, "passes": 1}


def scores(runs: Iterable[Run], split: str = "test", model: str = "serving") -> pl.DataFrame:
    """The scores of some runs on the periods of a split.

    Args:
        runs: of one method.
        split: of the periods.
        model: whose scores, ``serving`` or ``incremental``.

    Returns:
        Columns ``seed``, ``period`` and each metric. Undefined scores are null; scores of a model that has diverged
        are NaN.
    """
    tables = []
    for run in runs:
        columns = [name for name in run.metrics.columns if name.startswith(f"{model}_")]
        seed = pl.Series("seed", [run.seed]).new_from_index(0, run.metrics.height)
        tables.append(run.metrics[["split", "period", *columns]].insert_column(0, seed))
    own = f"^{re.escape(model)}_"
    found = pl.concat(tables, how="diagonal_relaxed").filter(pl.col("split") == split)
    return found.select("seed", "period", pl.col(f"{own}.*$").cast(pl.Float64).name.replace(own, ""))


def untested(runs: Sequence[Run]) -> str:
    """Why no run of a method has a test period, in words; empty if one of the runs has."""
    if any("test" in run.metrics["split"].to_list() for run in runs):
        return ""
    test_from = section(runs[0].config, "model", "init_args").get("test_from")
    return "no test period: " + (
        f"test_from is {test_from}, the walk has {max(run.last for run in runs)} periods"
        if isinstance(test_from, int)
        else f"the walk has {max(run.last for run in runs)} periods, and tests begin later"
    )


def cost(run: Run, periods: pl.Series) -> dict[str, float | None]:
    """Optimiser steps and seconds per period, without scoring, and peak memory in MiB; ``None`` if unknown."""
    if run.timings.is_empty() or periods.is_empty():
        return {"steps": None, "seconds": None, "peak_mib": run.peak_mib}
    timings = run.timings.filter(pl.col("period").is_in(periods.implode()), pl.col("phase") != "score")
    return {
        "steps": float(timings["steps"].to_numpy().sum()) / len(periods),
        "seconds": float(timings["seconds"].to_numpy().sum()) / len(periods),
        "peak_mib": run.peak_mib,
    }


def setting(run: Run) -> str:
    """Batch size, passes and learning rates of a run's updates, in words, and whether others race."""
    data, model = section(run.config, "data"), section(run.config, "model", "init_args")
    found = {"batch": data["batch_size"]} if "batch_size" in data else {}
    found |= {name: model[name] for name in map(str, model) if name.endswith(("passes", "learning_rate"))}
    found |= {"update batch": model.get("batch_size"), "pretrain_learning_rate": None}
    if not model.get("self_tuning"):
        found = {name: DEFAULTS.get(name) if value is None else value for name, value in found.items()}
    found = {name: value for name, value in found.items() if value is not None}
    shown = {name: f"{v:g}" if isinstance(v, (int, float)) else str(v) for name, v in found.items()}
    words = [f"{name.replace('learning_rate', 'lr').replace('_', ' ')} {shown[name]}" for name in shown]
    return ", ".join([*words, *(["self-tuned"] if model.get("self_tuning") else [])])


def summary(runs: Sequence[Run], split: str = "test") -> dict[str, Any]:
    """One method's runs in a few numbers.

    Args:
        runs: of one method, a run per seed.
        split: of the periods that count.

    Returns:
        - ``setting``, in words,
        - ``auc`` and ``logloss``, means over seeds and periods,
        - ``auc_std``, the standard deviation of the seeds' mean AUCs; ``None`` for a single seed,
        - ``steps`` per period, the mean over the seeds,
        - ``seconds`` per period of the fastest seed, since other load on the machine only adds to them,
        - ``peak_mib``, the largest memory of a run,
        - ``note``, which says where runs have diverged. If one has, the scores are ``None``.
    """
    found = scores(runs, split)
    by_seed = found.group_by("seed").agg(pl.col("auc").mean())["auc"].to_numpy()
    costs = pl.DataFrame([cost(run, found["period"].unique()) for run in runs], infer_schema_length=None)
    means = found.select(pl.col("auc", "logloss").mean()).row(0, named=True)
    if any(run.diverged for run in runs):  # a mean over what came before would look better than the method is
        means = dict.fromkeys(means, math.nan)
    spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
    return {
        "setting": setting(runs[0]),
        **{name: None if mean is None or math.isnan(mean) else mean for name, mean in means.items()},
        "auc_std": None if means["auc"] is None or math.isnan(means["auc"]) else spread,
        **costs.select(pl.mean("steps"), pl.min("seconds"), pl.max("peak_mib")).row(0, named=True),
        "note": "; ".join(f"{run.diverged} (seed {run.seed})" for run in runs if run.diverged),
    }
