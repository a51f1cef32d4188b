"""``asmg rollback``: let an earlier version serve again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.study import StudyParser
from asmg_pl.errors import ConfigError
from asmg_pl.serving.store import CURRENT, FOLDER, Store, about_versions
from asmg_pl.storage.address import place
from asmg_pl.storage.names import named
from asmg_pl.storage.work import worked_on


def run(arguments: Sequence[str]) -> None:
    """Go back as the command line says.

    Raises:
        UserError: if there is no such version, or it is damaged.
    """
    given = parser().parse_args(list(arguments))
    with worked_on(given.store, about_versions) as folder:
        store = store_in(folder)
        before = store.current()
        name = store.rollback(given.steps, given.to)
    told = f"{store.folder / name} serves now"
    print(named(told) + (f", in place of {before}" if before not in (None, name) else ""))


def store_in(folder: Path) -> Store:
    """The store that a folder is, or that a run folder has.

    Raises:
        ConfigError: if there is none.
    """
    for inner in (folder / FOLDER, folder):
        if (inner / CURRENT).is_file() or Store(inner).versions():
            return Store(inner)
    raise ConfigError(
        f"{folder} has no serving packages, nor has {folder / FOLDER}: write one with asmg export RUN, or with "
        "--export.keep"
    )


def parser() -> StudyParser:
    """The options of ``asmg rollback``."""
    options = StudyParser(
        "rollback",
        "RUN [--steps N | --to VERSION]",
        "Let an earlier version of a store serve again. Whoever follows the store takes it up without a restart. "
        "Nothing is removed, so that the way back is the same command with --to.",
        ["runs/demo", "runs/demo --steps 2", "/srv/models --to after-period-000028"],
    )
    options.add_argument("store", type=place, metavar="RUN", help="the folder or address of a run, or of a store")
    which = options.add_mutually_exclusive_group()
    which.add_argument(
        "--steps",
        type=int,
        default=1,
        metavar="N",
        help="how many versions to go back, in the order in which they have served (default: 1)",
    )
    which.add_argument("--to", metavar="VERSION", help="the version that serves from now on")
    return options
