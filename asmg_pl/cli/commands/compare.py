"""``asmg compare``: walk a stream with several methods, or take runs that exist, and make one table of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.config_files import find_folder
from asmg_pl.cli.pool import pool_of
from asmg_pl.cli.study import AGAIN, REST, StudyParser, finish, messages, methods_named, own_and_rest
from asmg_pl.errors import ConfigError
from asmg_pl.storage.address import is_address, place
from asmg_pl.storage.results import written_out


def run(arguments: Sequence[str]) -> None:
    """Compare as the command line says.

    Raises:
        UserError: if the runs cannot be compared.
        SystemExit: with 1, if a walk failed.
    """
    own, rest = own_and_rest(arguments)
    options = parser()
    given = options.parse_args(own)
    if given.methods is None:
        if rest or given.tuned is not None or given.tuned_only or given.cluster is not None:
            options.error("to walk, name the methods with --methods; without, runs that exist are compared")
        if not given.runs and given.wandb is None:
            options.error("name the folders of runs, or a project with --wandb, or methods to walk with --methods")
        if given.experiment is not None and given.wandb is None:
            options.error("--experiment is about a project of Weights & Biases: name it with --wandb")
    elif given.tuned_only and given.tuned is None:
        options.error("--tuned-only is about chosen settings: name their folder with --tuned")
    elif len(given.runs) != 1 or given.wandb is not None:
        options.error("with --methods, name one folder, for the run folders and the table")
    elif is_address(given.runs[0]):
        options.error("methods are walked in a folder of this machine: name one, and an address with --out")
    files = methods_named(given.methods or [])
    tuned = None if given.tuned is None else find_folder(given.tuned, "--tuned")

    from asmg_pl.experiments.comparison import by_method, publish_comparison
    from asmg_pl.experiments.runs import find_runs
    from asmg_pl.experiments.study import Study
    from asmg_pl.experiments.trial import trials_of
    from asmg_pl.experiments.wandb_source import wandb_runs

    with messages():
        if given.methods is None:
            runs = find_runs(given.runs)
            if given.wandb is not None:
                runs += wandb_runs(given.wandb, given.experiment)
            methods = by_method(runs)
            with written_out(given.out or Path("comparison")) as out:
                publish_comparison(methods, given.baseline, out, given.metric, given.split)
            return
        trials = [trial for method in files for trial in trials_of(method, tuned, given.tuned_only)]
        names = [trial.name for trial in trials]
        if given.baseline is not None and given.baseline not in names:
            raise ConfigError(
                f"the baseline {given.baseline!r} is not among the methods: choose from {', '.join(names)}"
            )
        with pool_of(given) as pool:
            study = Study(given.runs[0], given.seeds, pool, rest)
            walked = {trial.name: runs for trial, runs in study.runs(trials).items()}
        if walked:
            baseline = given.baseline if given.baseline in walked else None
            with written_out(given.out or given.runs[0] / "comparison") as out:
                publish_comparison(walked, baseline, out, given.metric, given.split)
    finish(study.failed)


def parser() -> StudyParser:
    """The options of ``asmg compare``."""
    options = StudyParser(
        "compare",
        "FOLDER --methods METHOD … [option …] -- --config FILE …\n       asmg compare RUN … [option …]",
        "Walk one stream with several methods and compare them, on the same rows, with the same seeds, and from the "
        f"same pre-trained models. {REST} A method that names another base model pre-trains its own. {AGAIN}\n\n"
        "Without --methods, runs that exist are compared. A RUN is the folder of a run of asmg fit, or a folder that "
        "holds some, METHOD/seed-N. Runs that differ in their seed alone make one row. Runs whose files cannot be read "
        "are passed over with a message.\n\n"
        "The table has each method's mean scores, and its lift: the mean of the paired differences from the baseline, "
        "with a 95 % interval for which whole periods and whole seeds are drawn. 'best' marks the best method, and ≈ "
        "the methods that such an interval cannot tell from it. A method that has diverged, has stopped early, or has "
        "no test period is never the best. OUT.md, .tex and .csv have all columns: setting, steps, seconds, memory, "
        "and the number of scores (cells) behind a mean; OUT.png is a figure.",
        [
            "runs/all --methods iu gru_multi -- --config demo",
            "runs/all --methods 'configs/methods/*.yaml' -- --config mine.yaml",
            "runs/all runs/mine --baseline iu --metric logloss",
            "--wandb ENTITY/PROJECT --experiment drama",
        ],
    )
    options.add_argument(
        "runs", metavar="RUN", type=place, nargs="*", help="the folder or address of a run, or of several"
    )
    walking = options.add_argument_group("to walk")
    options.add_methods(walking, required=False)
    options.add_tuned(walking, "A method that has been tuned gets a second row, NAME_tuned")
    walking.add_argument(
        "--tuned-only", action="store_true", help="walk a method that has been tuned with its chosen settings alone"
    )
    options.add_study(walking)
    served = options.add_argument_group("runs on Weights & Biases")
    served.add_argument("--wandb", metavar="ENTITY/PROJECT", help="read the runs of this project too")
    served.add_argument("--experiment", metavar="NAME", help="of that project, only the runs of this group")
    table = options.add_argument_group("the table")
    table.add_argument(
        "--baseline",
        metavar="NAME",
        help="the method that lifts are over. By default the first plain incremental update, or else the incremental "
        "model beside which a generated model was scored",
    )
    table.add_argument(
        "--metric", default="auc", help="compare by this column of metrics.csv, without serving_ (default: auc)"
    )
    table.add_argument(
        "--split", choices=["test", "warm-up"], default="test", help="the periods that count (default: test)"
    )
    table.add_argument(
        "--out",
        type=place,
        help="write OUT.md, .tex, .csv and .png, or at an address (default: comparison, in FOLDER if methods walk)",
    )
    return options
