"""``asmg sweep``: walk methods at every combination of some options' values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.config_files import find, find_folder
from asmg_pl.cli.pool import pool_of
from asmg_pl.cli.study import AGAIN, REST, StudyParser, finish, messages, methods_named, own_and_rest


def run(arguments: Sequence[str]) -> None:
    """Sweep as the command line says.

    Raises:
        UserError: if there are no values to try.
        SystemExit: with 1, if a walk failed.
    """
    own, rest = own_and_rest(arguments)
    options = parser()
    given = options.parse_args(own)
    if not given.vary and given.grid is None:
        options.error("name the options to vary: --vary OPTION VALUE …, or a file of them with --grid")
    for option, *tried in given.vary:
        if not tried:
            options.error(f"--vary {option} names no value")
    methods = methods_named(given.methods)
    tuned = None if given.tuned is None else find_folder(given.tuned, "--tuned")
    baseline = None if given.baseline is None else find(given.baseline, "--baseline", "methods")
    grid = None if given.grid is None else find(given.grid, "--grid", "sweeps")

    from asmg_pl.experiments.study import Study
    from asmg_pl.experiments.sweep import publish_sweep, read_values, sweep

    values = {} if grid is None else dict(read_values(grid))
    values |= {option: tried for option, *tried in given.vary}
    with messages(), pool_of(given) as pool:
        study = Study(given.folder, given.seeds, pool, rest)
        if rows := sweep(study, methods, values, tuned, baseline, given.split):
            publish_sweep(rows, values, given.folder, given.split)
    finish(study.failed)


def parser() -> StudyParser:
    """The options of ``asmg sweep``."""
    options = StudyParser(
        "sweep",
        "FOLDER --methods METHOD … --vary OPTION VALUE … [-- …]",
        "Walk methods at every combination of some options' values, and make one table of their mean scores, the best "
        "setting first. Where a single option varies, a figure shows AUC by value, a line per method.\n\n"
        "By default the warm-up periods count: a setting is to be chosen before any test period is looked at. With "
        "--split test the table says how much the options matter there.\n\n"
        f"{REST} It pre-trains the models that all walks start from, unless a varied option belongs to the base model. "
        f"{AGAIN}\n\n"
        "FOLDER gets METHOD/OPTION=VALUE,…/seed-N, and sweep.md, .tex, .csv, and .png.",
        [
            "runs/k --methods sml --vary data.history_size 5 30 -- --config demo",
            "runs/b --methods iu --vary data.batch_size 64 256 -- --config demo",
            "runs/grid --methods gru_multi --grid sweeps/asmg -- --config demo",
        ],
    )
    options.add_argument("folder", metavar="FOLDER", type=Path, help="where the run folders and the results go")
    options.add_methods(options)
    options.add_argument(
        "--vary",
        nargs="+",
        action="append",
        default=[],
        metavar=("OPTION", "VALUE"),
        help="an option of asmg fit, without --, and the values to try; may be given several times",
    )
    options.add_argument(
        "--grid",
        metavar="FILE",
        help="read options and values from a sweep file of Weights & Biases with method: grid; --vary adds to them",
    )
    options.add_argument("--baseline", metavar="METHOD", help="a method that is walked without the varied options")
    options.add_tuned(options, "A method that has been tuned keeps its chosen settings beside the varied ones")
    options.add_argument(
        "--split", choices=["warm-up", "test"], default="warm-up", help="the periods that count (default: warm-up)"
    )
    options.add_study(options)
    return options
