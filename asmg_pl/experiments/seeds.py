"""One configuration with several seeds, and the mean of what the walks scored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from asmg_pl.experiments.pool import Pool
from asmg_pl.experiments.processes import LocalPool
from asmg_pl.experiments.rendering import Printed, figure, publish
from asmg_pl.experiments.runs import read_run
from asmg_pl.experiments.summary import untested
from asmg_pl.experiments.walking import walk_all
from asmg_pl.experiments.walks import Walk

logger = logging.getLogger(__name__)


def means(metrics: pl.DataFrame, split: str) -> pl.DataFrame:
    """One row: the mean of each score over the periods of a split; NaN of a model that has diverged in one of them."""
    return metrics.filter(pl.col("split") == split).select(pl.col("^.*_(auc|logloss)$").mean())


def walk_seeds(
    folder: Path, seeds: Sequence[int], arguments: Sequence[str], split: str = "test", pool: Pool | None = None
) -> list[Path]:
    """Walk with each seed; print the table, and write it as ``seeds.md``, ``.tex`` and ``.csv``.

    Args:
        folder: gets a run folder ``seed-SEED`` for each seed, and the table.
        seeds: of the walks.
        arguments: of ``asmg fit``.
        split: of the periods that are averaged.
        pool: where walks run; one at a time on this machine by default.

    Returns:
        The run folders of the walks that failed.

    Raises:
        DataError: if what a walk has left cannot be read.
    """
    walks = {seed: Walk(folder / f"seed-{seed}", seed, tuple(arguments)) for seed in seeds}
    failed = walk_all(list(walks.values()), pool or LocalPool())
    rows = []
    for seed, one in walks.items():
        if one in failed:
            continue
        run = read_run(one.folder, seed=seed)
        rows.append(means(run.metrics, split).insert_column(0, pl.Series("seed", [str(seed)])))
        if split == "test" and (why := untested([run])):
            logger.warning("seed %d: %s", seed, why)
    if rows:
        scored = pl.concat(rows, how="diagonal")
        mean = scored.select(pl.lit("mean").alias("seed"), pl.exclude("seed").mean())
        table = pl.concat([scored, mean])
        lines = [[seed, *(figure(value, ".4f") for value in scores)] for seed, *scores in table.iter_rows()]
        header = [name.replace("_", " ") for name in table.columns]
        publish(table.to_dicts(), Printed(header, lines), folder / "seeds")
    return [one.folder for one in failed]
