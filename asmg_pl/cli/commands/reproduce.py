"""``asmg reproduce``: the paper's table on its data sets, our scores beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.commands import reproduce_ader
from asmg_pl.cli.pool import pool_of
from asmg_pl.cli.study import AGAIN, StudyParser, finish, messages, own_and_rest

SEEDS = [1234, 1235, 1236, 1237, 1238]


def run(arguments: Sequence[str]) -> None:
    """Walk as the command line says.

    Raises:
        UserError: if there is no data set.
        SystemExit: with 1, if a walk failed.
    """
    if arguments[:1] == ["ader"]:
        reproduce_ader.run(arguments[1:])
        return
    own, rest = own_and_rest(arguments)
    options = parser()
    given = options.parse_args(own)

    from asmg_pl.experiments.reproduction import reproduce, titles

    methods = given.methods or list(titles())
    if unknown := [name for name in methods if name not in titles()]:
        options.error(f"the paper has no method {unknown[0]}: choose from {', '.join(titles())}")
    with messages(), pool_of(given) as pool:
        failed = reproduce(given.folder, given.data, methods, given.seeds, pool, rest)
    finish(failed)


def parser() -> StudyParser:
    """The options of ``asmg reproduce``."""
    options = StudyParser(
        "reproduce",
        "[ader] FOLDER [option …] [-- --OPTION VALUE …]",
        "Walk the paper's data sets with the paper's methods and settings, and print our scores beside the paper's. "
        "The data sets are those of asmg prepare: ml-25m, sobazaar and tmall, whichever are there. If none is, the "
        "streams ml-latest-small and movietweetings are walked with the paper's general settings, for which it has no "
        f"figures. Everything after -- goes to asmg fit. {AGAIN}\n\n"
        "Differences are ours less the paper's, means over the 7 test periods. 'spreads' is the AUC's difference in "
        "units of .0017, the widest standard deviation over runs that the paper reports. The lift over IU, ours with "
        "its 95 % interval, is the fairer comparison: the start that a seed draws moves all methods alike. FOLDER gets "
        "reproduction.md, .tex and .csv, whenever a data set is done.\n\n"
        "asmg reproduce ader FOLDER makes the table of another paper, ADER's of next-item prediction, in a protocol of "
        "its own: see asmg reproduce ader --help.",
        [
            "runs/paper --data data",
            "runs/paper --methods iu gru_multi --seeds 1 2 --jobs 2",
        ],
    )
    options.add_argument("folder", metavar="FOLDER", type=Path, help="where the run folders and the table go")
    options.add_argument("--data", type=Path, default=Path("data"), help="the folder of the data sets (default: data)")
    options.add_argument("--methods", nargs="+", metavar="METHOD", help="only these: iu, gru_multi, … (default: all)")
    options.add_study(options, SEEDS)
    return options
