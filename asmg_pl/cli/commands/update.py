"""``asmg update RUN [FILE …]``: the daily job, once or for each file that arrives in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asmg_pl.cli.commands import convert
from asmg_pl.cli.parser import positive
from asmg_pl.cli.study import StudyParser
from asmg_pl.errors import ConfigError
from asmg_pl.operations.append import OF_CONVERSION
from asmg_pl.operations.gate import Gate
from asmg_pl.serving.formats.names import FORMATS, check_formats
from asmg_pl.storage.address import place


def run(arguments: Sequence[str]) -> None:
    """Update as the command line says, and print a line for a log.

    Raises:
        UserError: if something is wrong that the user can mend.
        SystemExit: with the number of the outcome if nothing was published, see
            :class:`~asmg_pl.operations.update.Outcome`.
    """
    given = parser().parse_args(list(arguments))
    check(given)

    from asmg_pl.cli.updating import follow_folder, update_once

    if given.follow is not None:
        follow_folder(given)
    elif outcome := update_once(given):
        sys.exit(int(outcome))


def check(given: Any) -> None:
    """Check the options against each other.

    Raises:
        ConfigError: naming those that do not go together, or that make no sense.
    """
    if given.follow is not None and given.files:
        raise ConfigError("give either files or --follow FOLDER: files in the folder are taken as they arrive")
    if given.follow is not None and not given.follow.is_dir():
        raise ConfigError(f"--follow {given.follow} is no folder: make it, or name another one")
    if given.query is not None and not given.files:
        raise ConfigError("--query asks a database: give its address in the place of FILE, such as sqlite:///shop.db")
    for name in ("wait", "every"):
        if not 0 <= getattr(given, name) < 2**62:
            raise ConfigError(f"--{name} must be a number of seconds, got {getattr(given, name)}")
    if given.keep == 0 or given.keep < -1:
        raise ConfigError(f"--keep must be -1 or at least 1, got {given.keep}")
    if given.formats:
        check_formats(given.formats)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise ConfigError(
            "asmg update is one process, and starts those of its walk itself: call it without torchrun, on the devices "
            "of the run's config.yaml (trainer.devices)"
        )


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
            'runs/shop "s3://shop/clicks/day=2024-04-20/*.parquet"',
            "runs/shop --follow incoming",
        ],
    )
    options.add_argument(
        "run", metavar="RUN", type=place, help="the run, in which asmg fit has walked: its folder or address"
    )
    options.add_argument(
        "files", metavar="FILE", nargs="*", help="new rows, or their addresses, as asmg convert --append takes them"
    )
    _add_gate(options.add_argument_group("the gate"))
    of_store = options.add_argument_group("the store and the run")
    of_store.add_argument(
        "--store",
        metavar="FOLDER",
        type=place,
        help="the store of versions, a folder or an address (default: RUN/serving)",
    )
    of_store.add_argument(
        "--keep",
        metavar="N",
        type=int,
        default=7,
        help="how many of the newest versions the store keeps, beside the one that serves; -1 keeps all (default: 7)",
    )
    of_store.add_argument(
        "--formats",
        nargs="*",
        metavar="FORMAT",
        help=f"formats that each version takes along for other programs ({', '.join(FORMATS)}), written before it "
        "serves; without a name none (default: export.formats of the run)",
    )
    of_store.add_argument(
        "--allow",
        metavar="CLASS",
        nargs="+",
        default=[],
        help="recommender classes of your own that packages may name; a path that ends with a dot allows all below it",
    )
    of_store.add_argument("--root", metavar="STREAM", type=place, help="where the stream is now, if it was moved")
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
