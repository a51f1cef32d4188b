"""What finished walks have left in their folders, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from walks import PEAK


def scores(folders: Mapping[int, Path], split: str = "test") -> pl.DataFrame:
    """What the serving models scored on the periods of a split, by seed and period; undefined scores are null."""
    tables = [
        pl.read_csv(folder / "metrics.csv")
        .filter(split=split)
        .select(pl.lit(seed).alias("seed"), "period", auc="serving_auc", logloss="serving_logloss")
        for seed, folder in folders.items()
    ]
    return pl.concat(tables).fill_nan(None)


def cost(folder: Path, periods: pl.Series) -> dict[str, float]:
    """Optimiser steps and seconds per period, scoring left out, and peak memory in MiB."""
    timings = pl.read_csv(folder / "timings.csv")
    timings = timings.filter(pl.col("period").is_in(periods.implode()), pl.col("phase") != "score")
    return {
        "steps": float(timings["steps"].to_numpy().sum()) / len(periods),
        "seconds": float(timings["seconds"].to_numpy().sum()) / len(periods),
        "peak_mib": float((folder / PEAK).read_text()),
    }


def setting(folder: Path) -> str:
    """Batch size, passes and learning rates of the updates as the walk had them, by its own ``config.yaml``."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    found = {"batch": config["data"]["batch_size"]}
    model = config["model"]["init_args"]
    found |= {name: model[name] for name in model if name.endswith(("passes", "learning_rate"))}
    found.pop("pretrain_learning_rate", None)
    return ", ".join(f"{name.replace('learning_rate', 'lr').replace('_', ' ')} {found[name]:g}" for name in found)


def summary(folders: Mapping[int, Path], split: str = "test") -> dict[str, Any]:
    """Setting, mean scores, the AUC's standard deviation over the seeds, and mean costs."""
    found = scores(folders, split)
    by_seed = found.group_by("seed").agg(pl.col("auc").mean())["auc"].to_numpy()
    costs = pl.DataFrame([cost(folder, found["period"].unique()) for folder in folders.values()])
    return {
        "setting": setting(next(iter(folders.values()))),
        **found.select(pl.col("auc", "logloss").mean()).row(0, named=True),
        "auc_std": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        **costs.mean().row(0, named=True),
    }


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(rows: Sequence[Mapping[str, Any]], shown: str, path: Path) -> None:
    """Write the rows as CSV, and print and write the Markdown table that shows them."""
    pl.DataFrame(rows, infer_schema_length=None).write_csv(path.with_suffix(".csv"))
    path.with_suffix(".md").write_text(shown + "\n")
    print(shown)
