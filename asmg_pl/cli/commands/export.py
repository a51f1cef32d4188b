"""``asmg export``: write a serving package from a checkpoint of a run, and its model in other programs' formats."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from asmg_pl.cli.formats import FORMATS, check_formats, own_classes, write_and_tell
from asmg_pl.cli.study import StudyParser
from asmg_pl.errors import ConfigError
from asmg_pl.serving.manifest import FILE
from asmg_pl.serving.store import FOLDER, Store, about_versions, order
from asmg_pl.storage.address import place
from asmg_pl.storage.names import named
from asmg_pl.storage.work import worked_on


def run(arguments: Sequence[str]) -> None:
    """Export as the command line says.

    Raises:
        UserError: if there is no such checkpoint, or the package cannot be made or written.
    """
    given = parser().parse_args(list(arguments))
    if given.keep is not None and given.keep < 1:
        raise ConfigError(f"--keep must be at least 1, got {given.keep}")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise ConfigError("asmg export is one process, for sharded checkpoints too: call it without torchrun")
    if given.formats is not None:
        check_formats(given.formats)
    if isinstance(given.run, Path) and (given.run / FILE).is_file():
        _of_version(given)
        return

    with ExitStack() as places:
        run = places.enter_context(worked_on(given.run, about_versions))
        out = None if given.out is None else places.enter_context(worked_on(given.out, about_versions, new=True))
        told = _of_run(given, run, Store(out or run / FOLDER))
    print(named(told))


def _of_run(given: Namespace, run: Path, store: Store) -> str:
    """Write the package of a run's checkpoint to a store; gives what there is to say."""
    from asmg_pl.cli.exporting import export

    with store.lock():
        name = export(run, store, given.root, given.period)
        if given.formats is not None:
            write_and_tell(store.folder / name, store.folder, given.formats, own_classes(store.folder / name))
        current = store.current()
        newest = all(order(name) >= order(other) for other in store.versions())
        if newest or current is None:
            store.publish(name)
        if given.keep is not None:
            store.prune(given.keep)
    if newest or current is None:
        return f"{store.folder / name} serves now"
    return (
        f"{store.folder / name} is written. {current} goes on serving, as it is newer than this one or was chosen; "
        f"to let this one serve: asmg rollback {store.folder} --to {name}"
    )


def _of_version(given: Namespace) -> None:
    """Write formats of a package that exists.

    Raises:
        UserError: if no format is named, or one cannot be written.
    """
    if given.formats is None:
        raise ConfigError(f"{given.run} is a version already: name what is made of it, as --formats onnx")
    for name in ("period", "keep", "root"):  # --out is the store that gets the formats
        if getattr(given, name) is not None:
            raise ConfigError(f"--{name} is for a run, and {given.run} is a version: leave it out")
    write_and_tell(given.run, given.out or given.run.resolve().parent, given.formats, given.allow)


def parser() -> StudyParser:
    """The options of ``asmg export``."""
    options = StudyParser(
        "export",
        "RUN|VERSION [--period N] [--formats FORMAT ...] [--out FOLDER] [--keep N]",
        "Write a serving package from a checkpoint of a run: all that is needed to answer requests, without the run "
        "and the stream. It becomes a version in a store, RUN/serving by default, and the newest version serves.\n\n"
        "To have one written after each period of a walk: asmg fit … --export.keep N.\n\n"
        "With --formats, other programs can run the model too: formats/VERSION in the store gets it. Each file is "
        "compared with the scores of the package before it appears.",
        [
            "runs/demo",
            "runs/demo --period 20 --out /srv/models",
            "runs/demo --keep 3",
            "runs/demo/serving/after-period-000031 --formats onnx",
        ],
    )
    options.add_argument(
        "run",
        type=place,
        metavar="RUN",
        help="the folder or address of a run of asmg fit; with --formats, also the folder of a version",
    )
    options.add_argument(
        "--period",
        type=int,
        metavar="N",
        help="the last period that the model has seen; its checkpoint must be there (default: the newest one)",
    )
    options.add_argument(
        "--out",
        type=place,
        metavar="FOLDER",
        help="the store that gets the version, a folder or an address (default: RUN/serving)",
    )
    options.add_argument(
        "--keep", type=int, metavar="N", help="how many of the newest versions stay in the store (default: all)"
    )
    options.add_argument(
        "--root", type=place, metavar="FOLDER", help="the stream, if it is not where the run's configuration says"
    )
    options.add_argument(
        "--formats",
        nargs="+",
        metavar="FORMAT",
        help=f"formats that other programs run: {'; '.join(f'{name}, {what}' for name, what in FORMATS.items())}",
    )
    options.add_argument(
        "--allow",
        nargs="+",
        default=[],
        metavar="CLASS",
        help="recommenders of your own that a version may name, by class path; one that ends with a dot stands for all "
        "that begin with it",
    )
    return options
