"""``asmg seeds``: walk one configuration with several seeds, and average their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.pool import pool_of
from asmg_pl.cli.study import AGAIN, StudyParser, finish, messages, own_and_rest


def run(arguments: Sequence[str]) -> None:
    """Walk as the command line says.

    Raises:
        UserError: if what a walk has left cannot be read.
        SystemExit: with 1, if a walk failed.
    """
    own, rest = own_and_rest(arguments)
    given = parser().parse_args(own)

    from asmg_pl.experiments.seeds import walk_seeds

    with messages(), pool_of(given) as pool:
        failed = walk_seeds(given.folder, given.seeds, rest, given.split, pool)
    finish(failed)


def parser() -> StudyParser:
    """The options of ``asmg seeds``."""
    options = StudyParser(
        "seeds",
        "FOLDER [option …] -- --config FILE …",
        "Walk one configuration with several seeds, and print each one's mean scores, and their mean. Everything after "
        f"-- goes to asmg fit. {AGAIN}\n\n"
        "FOLDER gets a run folder seed-N for each seed, and the table as seeds.md, .tex and .csv.",
        [
            "runs/mt -- --config movietweetings --data.root FOLDER",
            "runs/d --split warm-up -- --config demo --loop.until 23",
        ],
    )
    options.add_argument("folder", metavar="FOLDER", type=Path, help="where the run folders and the table go")
    options.add_argument(
        "--split", choices=["test", "warm-up"], default="test", help="the periods that are averaged (default: test)"
    )
    options.add_study(options)
    return options
