"""Run the paper's table on whichever of its data sets are there, and print our scores beside the paper's.

    python tools/reproduce_paper.py runs/paper --data data --seeds 1234 1235 1236 1237 1238

``--data`` is a folder of data sets as ``asmg prepare`` makes them: ``ml-25m``, ``sobazaar``, ``tmall``. Each method
walks each of them with the paper's settings for both. If none of them is there, the streams ``ml-latest-small`` and
``movietweetings`` are walked with the paper's general settings; of these the paper has no figures. Everything after
``--`` goes to ``asmg fit``. Finished walks are not run again, interrupted ones go on, failed ones are reported and the
rest kept.

Differences are ours less the paper's, means over the 7 test periods. ``spreads`` is the AUC's in units of .0017, the
widest standard deviation over runs that the paper reports (it says .0002 to .0017, not which for what); ``std`` is ours
over the seeds. The lift over IU, ours with its interval (``tools/paired.py``), is the fairer comparison: the start that
a seed draws moves all methods alike. The table is written as ``reproduction.md``, ``.csv`` and ``.tex`` into the folder
when a data set is done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from comparison import compare, notes_of
from messages import one_message, say
from run_folder import read_runs
from study import Study
from tables import Shown, figure, publish
from trial import Trial
from walks import own_and_rest

from asmg_pl.prepare.published import PUBLISHED

CONFIGS = Path(__file__).parents[1] / "configs"
RESULTS = Path(__file__).parent / "paper_results.csv"
SPREAD = 0.0017


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


def _published(name: str, folder: str, config: str) -> DataSet:
    return DataSet(name, folder, PUBLISHED[folder].files, (config,))


PAPER = (
    _published("tmall", "tmall", "tmall.yaml"),
    _published("sobazaar", "sobazaar", "sobazaar.yaml"),
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


def beside(rows: list[dict[str, Any]], name: str, published: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of :func:`comparison.compare` with the paper's figures for a data set, in the paper's order."""
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


def show(rows: list[Mapping[str, Any]], titles: Mapping[str, str]) -> Shown:
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
    lines = [
        [row["data_set"], titles[row["method"]], *(figure(row.get(key), form) for key, form in columns.values())]
        for row in rows
    ]
    notes = [f"{row['data_set']}: {note}" for row in rows for note in notes_of([row])]
    return Shown(["data set", "method", *columns], lines, notes)


def main() -> None:
    """Walk data set by data set; status 1 if a walk failed, 2 if there is no data set."""
    published = pl.read_csv(RESULTS)
    titles = dict(published.select("method", "title").unique().iter_rows())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the run folders and the table go")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the data sets")
    parser.add_argument("--methods", nargs="+", choices=titles, default=list(titles), metavar="METHOD")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1234, 1235, 1236, 1237, 1238])
    parser.add_argument("--jobs", type=int, default=1, help="walks at a time")
    own, rest = own_and_rest(sys.argv[1:])
    options = parser.parse_args(own)
    found = present(options.data)
    if not found:
        wanted = ", ".join(one.folder for one in (*PAPER, *SMALL))
        parser.error(f"none of {wanted} is complete in {options.data}: fetch one with asmg prepare, or give --data")

    rows: list[Mapping[str, Any]] = []
    failures: list[str] = []
    for data_set in found:
        place = argparse.Namespace(folder=options.folder / data_set.name, seeds=options.seeds, jobs=options.jobs)
        study = Study(place, (*data_set.common(options.data), *rest))
        walked = study.walk([data_set.trial(method) for method in options.methods])
        failures += study.failures
        if walked:
            with one_message():
                methods = {trial.name: read_runs(folders) for trial, folders in walked.items()}
                rows += beside(compare(methods, "iu"), data_set.name, published)
                publish(rows, show(rows, titles), options.folder / "reproduction")
    for line in "\n".join(failures).splitlines():
        say(line)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
