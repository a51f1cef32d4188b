"""``asmg freshness``: what lateness and forgetting cost, by the models that a run has kept."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from asmg_pl.cli.study import StudyParser, messages, own_and_rest
from asmg_pl.storage.address import place
from asmg_pl.storage.work import worked_on


def run(arguments: Sequence[str]) -> None:
    """Measure as the command line says.

    Raises:
        UserError: if the run has too few models, or they cannot be scored.
    """
    own, rest = own_and_rest(arguments)
    given = parser().parse_args(own)

    from asmg_pl.cli.run_classes import trainer_of, walk_of
    from asmg_pl.experiments.freshness import measure

    with messages(), worked_on(given.run) as run:
        walk = walk_of(run, "freshness", rest)
        measure(run, given.ages, walk.model, walk.datamodule, trainer_of(walk))


def parser() -> StudyParser:
    """The options of ``asmg freshness``."""
    options = StudyParser(
        "freshness",
        "RUN [--ages N] [-- OPTION …]",
        "Score the models that served after each period of a run on the 1 to N periods after it, and on the N periods "
        "up to it, which they were trained on. Print what a period's delay costs in AUC and LogLoss, with 95 % "
        "intervals of differences on the same periods, and the half-life: how often to update. Nothing is trained.\n\n"
        "RUN is the folder of a walk that has kept a model of each period (asmg fit … --checkpoint.keep -1, or "
        "--export.keep -1). It gets freshness.csv, .md, .tex and .png, and each score in freshness-cells.csv; what is "
        "there is not scored again. Options after -- are laid over those of the walk, as --data.root where the stream "
        "has moved.",
        ["runs/demo", "runs/demo --ages 4", "runs/mt -- --data.root FOLDER"],
    )
    options.add_argument("run", metavar="RUN", type=place, help="the run: its folder or address")
    options.add_argument(
        "--ages", metavar="N", type=_ages, default=8, help="the largest age of a model, in periods (default: 8)"
    )
    return options


def _ages(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 2 on: age 1 is what the walk has scored")
    return int(text)
