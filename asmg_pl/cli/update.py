"""``asmg update RUN [FILE …]``: the daily job, once or for each file that arrives in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from asmg_pl.callbacks.export import FOLDER as STORE
from asmg_pl.cli import convert, fit
from asmg_pl.cli.export import export
from asmg_pl.cli.study import StudyParser, positive
from asmg_pl.convert.sources import taken
from asmg_pl.errors import ConfigError
from asmg_pl.operations import Gate, Update, Updated, WalkedRun
from asmg_pl.operations.append import append
from asmg_pl.operations.arrivals import Arrivals
from asmg_pl.operations.follow import follow
from asmg_pl.operations.update import Stages
from asmg_pl.operations.walked import CONFIG
from asmg_pl.serving import Store
from asmg_pl.system.screen import say
from asmg_pl.system.signals import patiently

#: Options of a conversion that the files of an update can need.
OF_CONVERSION = ("items", "late", "repeated", "max_bad_rows")


def run(arguments: Sequence[str]) -> None:
    """Update as the command line says, and print a line for a log.

    Raises:
        UserError: if something is wrong that the user can mend.
        SystemExit: with the number of the outcome, see :class:`~asmg_pl.operations.update.Outcome`.
    """
    given = parser().parse_args(list(arguments))
    check(given)
    done = WalkedRun(given.run, given.root, given.complete_until)
    update = job(given, done)
    if given.follow is None:
        updated = update(given.files)
        say(updated.line)
        sys.exit(int(updated.outcome))
    stream = done.stream()
    with patiently() as stopping:
        arrivals = Arrivals(given.follow, given.order)
        follow(arrivals, update, partial(taken, stream), _tell, update.due, stopping, given.every)


def job(given: Any, done: WalkedRun) -> Update:
    """The daily job that options describe.

    Args:
        given: the options.
        done: the run.
    """
    store = Store(given.store or done.folder / STORE)
    options = {name: getattr(given, name) for name in OF_CONVERSION}
    stages = Stages(
        append=lambda files: append(files, done.stream(), options, given.wait),
        walk=partial(walk, done.folder, given.root, given.complete_until),
        export=partial(export, done.folder, store, given.root),
    )
    gate = Gate(given.margin, given.periods, tuple(given.calibration))
    return Update(done, store, stages, gate, given.keep, given.force, given.wait, given.allow)


def walk(folder: Path, root: Path | None, complete_until: str | None) -> None:
    """Walk what is new, as ``asmg fit`` does, without a package of each period: the gate decides what serves.

    Args:
        folder: the run folder.
        root: where the stream is now.
        complete_until: the moment up to which the stream has all rows.
    """
    arguments = ["--config", str(folder / CONFIG), "--trainer.default_root_dir", str(folder), "--loop.until", "null"]
    arguments += ["--export.keep", "0", *(["--data.root", str(root)] if root else []), "--ckpt_path", "last"]
    arguments += ["--data.periods.init_args.complete_until", complete_until] if complete_until else []
    with _as_before():
        fit.run("fit", arguments, next_steps=False)


@contextmanager
def _as_before() -> Iterator[None]:
    """A context after which the process is as before: Lightning leaves the ranks of a walk in its environment."""
    words, environment = list(sys.argv), dict(os.environ)
    try:
        yield
    finally:
        sys.argv[:] = words
        os.environ.clear()
        os.environ.update(environment)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def check(given: Any) -> None:
    """Check the options against each other.

    Raises:
        ConfigError: naming those that do not go together, or that make no sense.
    """
    if given.follow is not None and given.files:
        raise ConfigError("give either files or --follow FOLDER: files in the folder are taken as they arrive")
    if given.follow is not None and not given.follow.is_dir():
        raise ConfigError(f"--follow {given.follow} is no folder: make it, or name another one")
    for name in ("wait", "every"):
        if not 0 <= getattr(given, name) < 2**62:
            raise ConfigError(f"--{name} must be a number of seconds, got {getattr(given, name)}")
    if given.keep == 0 or given.keep < -1:
        raise ConfigError(f"--keep must be -1 or at least 1, got {given.keep}")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise ConfigError(
            "asmg update is one process, and starts those of its walk itself: call it without torchrun, on the devices "
            "of the run's config.yaml (trainer.devices)"
        )


def _tell(updated: Updated) -> None:
    say(updated.line)


def parser() -> StudyParser:
    """The options of ``asmg update``."""
    options = StudyParser(
        "update",
        "RUN [FILE …] [option …]",
        "Append the rows of new files to the stream of a run, walk what is new, and let the new model serve if the "
        "gate lets it. Without files, walk what is new in the stream. However a call has ended, the next one does what "
        "is left, and nothing twice.\n\n"
        "The last line is for a log. Exit status: 0 a version was published, 2 an error that you can mend, 3 the gate "
        "has held the version back, 4 there is nothing new; 128 and more, stopped by a signal.",
        [
            "runs/shop day-20.csv",
            "runs/shop --margin 0.01 --force",
            "runs/shop --follow incoming",
        ],
    )
    options.add_argument("run", metavar="RUN", type=Path, help="the run folder, in which asmg fit has walked")
    options.add_argument(
        "files", metavar="FILE", nargs="*", type=Path, help="new rows, as asmg convert --append takes them"
    )
    _add_gate(options.add_argument_group("the gate"))
    of_store = options.add_argument_group("the store and the run")
    of_store.add_argument("--store", metavar="FOLDER", type=Path, help="the store of versions (default: RUN/serving)")
    of_store.add_argument(
        "--keep",
        metavar="N",
        type=int,
        default=7,
        help="how many of the newest versions the store keeps, beside the one that serves; -1 keeps all (default: 7)",
    )
    of_store.add_argument(
        "--allow",
        metavar="CLASS",
        nargs="+",
        default=[],
        help="recommender classes of your own that packages may name; a path that ends with a dot allows all below it",
    )
    of_store.add_argument("--root", metavar="STREAM", type=Path, help="where the stream is now, if it was moved")
    of_store.add_argument(
        "--complete-until",
        metavar="TIME",
        help="the stream has all rows up to this time (2024-04-20, or now), so that a period of the calendar that ends "
        "by then is walked without waiting for a later row",
    )
    of_store.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="how long to wait for another program that updates the run or writes the stream (default: 0)",
    )
    files, known = options.add_argument_group("files, as of asmg convert"), convert.options()
    for name in OF_CONVERSION:
        flags, kept = known[name]
        files.add_argument(*flags, **kept)
    _add_following(options.add_argument_group("following a folder"))
    return options


def _add_gate(group: Any) -> None:
    standard = Gate()
    low, high = standard.calibration
    group.add_argument(
        "--margin",
        metavar="X",
        type=float,
        default=standard.margin,
        help="by how much LogLoss the walk's serving models may be worse than the published version, in the mean of "
        f"the latest periods (default: {standard.margin:g})",
    )
    group.add_argument(
        "--periods",
        metavar="N",
        type=positive,
        default=standard.periods,
        help=f"how many of the latest periods count (default: {standard.periods})",
    )
    group.add_argument(
        "--calibration",
        metavar=("LOW", "HIGH"),
        nargs=2,
        type=float,
        default=[low, high],
        help=f"bounds of mean probability over mean label (default: {low:g} {high:g})",
    )
    group.add_argument("--force", action="store_true", help="publish whatever the gate says; the reasons are logged")


def _add_following(group: Any) -> None:
    group.add_argument(
        "--follow",
        metavar="FOLDER",
        type=Path,
        help="take each file that arrives in a folder, an update for each, until a signal (Ctrl-C or SIGTERM), after "
        "which the update under way is finished and the exit status is 0; a second signal stops at once",
    )
    group.add_argument(
        "--order",
        choices=["name", "time"],
        default="name",
        help="take files by their names, or by the time when they were written last (default: name)",
    )
    group.add_argument(
        "--every",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="seconds between two looks at the folder; a file is taken when two looks in a row find it unchanged, and "
        "its name does not begin with a dot or end with .tmp (default: 10)",
    )
