"""The paper's table, with our scores beside the paper's, on whichever of its data sets are in a folder.

Differences are ours less the paper's, means over the 7 test periods. ``spreads`` is the AUC's in units of .0017, the
widest standard deviation over runs that the paper reports (it says .0002 to .0017, not which for what); ``std`` is ours
over the seeds. The lift over IU, ours with its interval (:mod:`asmg_pl.metrics.paired`), is the fairer comparison:
the start that a seed draws moves all methods alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from asmg_pl.errors import DataError
from asmg_pl.experiments.comparison import compare, notes_of
from asmg_pl.experiments.pool import Pool
from asmg_pl.experiments.rendering import Printed, figure, publish
from asmg_pl.experiments.study import Study
from asmg_pl.experiments.trial import Trial
from asmg_pl.prepare.published import PUBLISHED

CONFIGS = Path(__file__).parents[1] / "configs"
RESULTS = Path(__file__).with_name("paper_results.csv")
SPREAD = 0.0017


@cache
def results() -> pl.DataFrame:
    """The paper's figures: ``data_set``, ``method``, ``title``, ``auc`` and ``logloss``."""
    return pl.read_csv(RESULTS)


def titles() -> dict[str, str]:
    """The methods of the paper, by our names, with the paper's."""
    return dict(results().select("method", "title").unique(maintain_order=True).iter_rows())


@dataclass(frozen=True)
class DataSet:
    """One block of the table.

    Attributes:
        name: as the paper's results and the folders of ``configs/paper`` have it.
        folder: where it is in ``--data``.
        files: what is there if it is complete.
        configs: what describes its rows and the settings of all methods on it.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    configs: tuple[str, ...]

    def trial(self, method: str) -> Trial:
        """A method with the paper's settings on this data set, where they differ from those of its own file."""
        files = (CONFIGS / "methods" / f"{method}.yaml", CONFIGS / "paper" / self.name / f"{method}.yaml")
        return Trial(method, tuple(file for file in files if file.exists()))

    def common(self, data: Path) -> tuple[str, ...]:
        """The arguments of ``asmg fit`` for all methods."""
        configs = [argument for name in self.configs for argument in ("--config", str(CONFIGS / name))]
        return (*configs, "--data.root", str(data / self.folder))


def _published(name: str, folder: str, *configs: str) -> DataSet:
    return DataSet(name, folder, PUBLISHED[folder].files, configs)


PAPER = (
    _published("tmall", "tmall", "tmall.yaml", "paper/negatives.yaml"),
    _published("sobazaar", "sobazaar", "sobazaar.yaml", "paper/negatives.yaml"),
    _published("movielens", "ml-25m", "movielens_25m.yaml"),
)
SMALL = (
    DataSet(
        "ml-latest-small", "ml-latest-small", ("ratings.csv", "movies.csv"), ("movielens_small.yaml", "paper.yaml")
    ),
    DataSet("movietweetings", "movietweetings", ("ratings.dat", "movies.dat"), ("movietweetings.yaml", "paper.yaml")),
)


def present(data: Path) -> list[DataSet]:
    """The paper's data sets that are in a folder, or else the small streams."""
    for kind in (PAPER, SMALL):
        if found := [one for one in kind if all((data / one.folder / file).is_file() for file in one.files)]:
            return found
    return []


def beside(rows: Sequence[dict[str, Any]], name: str, published: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of :func:`~asmg_pl.experiments.comparison.compare` with the paper's figures, in the paper's order.

    Args:
        rows: of the methods that were walked.
        name: of the data set.
        published: the paper's figures, see :func:`results`.
    """
    paper = {row["method"]: row for row in published.filter(data_set=name).iter_rows(named=True)}
    order = published["method"].unique(maintain_order=True).to_list()
    joined = []
    for row in sorted(rows, key=lambda row: order.index(row["method"])):
        more: dict[str, Any] = {"data_set": name}
        if theirs := paper.get(row["method"]):
            more |= {"paper_auc": theirs["auc"], "paper_logloss": theirs["logloss"]}
            more["paper_lift"] = theirs["auc"] - paper["iu"]["auc"]
            if row["auc"] is not None:
                more["difference"] = row["auc"] - theirs["auc"]
                more["spreads"] = more["difference"] / SPREAD
            if row["logloss"] is not None:
                more["logloss_difference"] = row["logloss"] - theirs["logloss"]
        joined.append(more | row)
    return joined


def show(rows: Sequence[Mapping[str, Any]]) -> Printed:
    """The table."""
    columns = {
        "AUC": ("auc", ".4f"),
        "std": ("auc_std", ".4f"),
        "paper AUC": ("paper_auc", ".4f"),
        "difference": ("difference", "+.4f"),
        "spreads": ("spreads", "+.1f"),
        "lift over IU": ("lift", "+.4f"),
        "from": ("low", "+.4f"),
        "to": ("high", "+.4f"),
        "paper lift": ("paper_lift", "+.4f"),
        "LogLoss": ("logloss", ".4f"),
        "paper LogLoss": ("paper_logloss", ".4f"),
        "LogLoss difference": ("logloss_difference", "+.4f"),
    }
    named = titles()
    lines = [
        [row["data_set"], named[row["method"]], *(figure(row.get(key), form) for key, form in columns.values())]
        for row in rows
    ]
    notes = [f"{row['data_set']}: {note}" for row in rows for note in notes_of([row])]
    details = ["paper LogLoss", "LogLoss difference", "spreads", "std", "from", "to", "LogLoss"]
    return Printed(["data set", "method", *columns], lines, notes, details)


def reproduce(
    folder: Path, data: Path, methods: Sequence[str], seeds: Sequence[int], pool: Pool, common: Sequence[str]
) -> list[Path]:
    """Walk data set by data set; print the table, and write it anew whenever a data set is done.

    Args:
        folder: gets the run folders, ``DATA_SET/METHOD/seed-SEED``, and ``reproduction.md``, ``.tex`` and ``.csv``.
        data: the folder of the data sets.
        methods: by our names, see :func:`titles`.
        seeds: each method walks once with each of them.
        pool: where walks run.
        common: further arguments of ``asmg fit``.

    Returns:
        The run folders of the walks that failed.

    Raises:
        DataError: if no data set is complete, or what a walk has left cannot be read.
    """
    found = present(data)
    if not found:
        wanted = ", ".join(one.folder for one in (*PAPER, *SMALL))
        raise DataError(f"none of {wanted} is complete in {data}: fetch one with asmg prepare, or give --data")
    rows: list[Mapping[str, Any]] = []
    failed: list[Path] = []
    for data_set in found:
        study = Study(folder / data_set.name, seeds, pool, (*data_set.common(data), *common))
        walked = study.runs([data_set.trial(method) for method in methods])
        failed += study.failed
        if walked:
            compared = compare({trial.name: runs for trial, runs in walked.items()}, "iu")
            rows += beside(compared, data_set.name, results())
            publish(rows, show(rows), folder / "reproduction")
    return failed
