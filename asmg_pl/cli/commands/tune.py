"""``asmg tune``: choose each method's batch size, passes and learning rates on the warm-up periods."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.config_files import find
from asmg_pl.cli.parser import positive
from asmg_pl.cli.pool import pool_of
from asmg_pl.cli.study import AGAIN, REST, StudyParser, finish, messages, methods_named, own_and_rest


def run(arguments: Sequence[str]) -> None:
    """Tune as the command line says.

    Raises:
        UserError: if there is nothing to tune on.
        SystemExit: with 1, if a walk failed.
    """
    own, rest = own_and_rest(arguments)
    given = parser().parse_args(own)
    methods, grid = methods_named(given.methods), find(given.grid, "--grid", "tuning")

    from asmg_pl.experiments.study import Study
    from asmg_pl.experiments.tuning import read_grid, tune

    with messages(), pool_of(given) as pool:
        study = Study(given.folder, given.seeds, pool, rest)
        tune(study, methods, read_grid(grid), given.rounds, shlex.join(["asmg", "tune", *arguments]))
    finish(study.failed)


def parser() -> StudyParser:
    """The options of ``asmg tune``."""
    options = StudyParser(
        "tune",
        "FOLDER --methods METHOD … [option …] -- --config FILE …",
        "Choose batch size, passes and learning rates for each method, on the warm-up periods alone: every walk ends "
        "before the period of the first model that is tested, and reads no row of a test period. A setting's score is "
        "the serving model's mean AUC over the seeds and the warm-up periods.\n\n"
        "Options are searched one after the other, each with the best values of those before it. That takes few walks, "
        "and need not find the best combination. A setting that has diverged is never chosen.\n\n"
        f"{REST} It pre-trains the models that all walks start from. {AGAIN}\n\n"
        "FOLDER gets tuned/METHOD.yaml, to be given to asmg fit after the method's own file, or to asmg compare "
        "--tuned FOLDER/tuned; and all that was tried, as tuning.md, .tex and .csv.",
        [
            "runs/tune --methods iu gru_multi -- --config demo",
            "runs/tune --methods iu --grid mine.yaml --seeds 1 2 -- --config demo",
        ],
    )
    options.add_argument("folder", metavar="FOLDER", type=Path, help="where the run folders and the results go")
    options.add_methods(options)
    options.add_argument(
        "--grid",
        default="configs/tuning/grid.yaml",
        metavar="FILE",
        help="values to try, by pattern of methods' names and option (default: configs/tuning/grid.yaml, installed)",
    )
    options.add_argument(
        "--rounds", type=positive, default=1, help="how often the options are gone through (default: 1)"
    )
    options.add_study(options)
    return options
