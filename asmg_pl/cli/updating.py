"""Puts the daily job together: its stages are other commands' work, and its options those of ``asmg update``."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from asmg_pl.cli.commands import fit
from asmg_pl.cli.exporting import export
from asmg_pl.convert.elsewhere import written_at
from asmg_pl.convert.sources import taken
from asmg_pl.errors import ConfigError, FormatError
from asmg_pl.operations import Gate, Outcome, Update, Updated, WalkedRun
from asmg_pl.operations.append import OF_CONVERSION, Appended, append
from asmg_pl.operations.arrivals import Arrivals
from asmg_pl.operations.follow import follow
from asmg_pl.operations.update import Stages
from asmg_pl.operations.walked import CONFIG
from asmg_pl.serving.formats.beside import are_beside, write_beside
from asmg_pl.serving.formats.names import check_recommender
from asmg_pl.serving.package import Package, open_package
from asmg_pl.serving.store import FOLDER, Store, about_versions
from asmg_pl.storage.address import is_address
from asmg_pl.storage.copy import Copy
from asmg_pl.storage.names import named
from asmg_pl.storage.work import worked_on
from asmg_pl.system.screen import say
from asmg_pl.system.signals import patiently


def update_once(given: Any) -> Outcome:
    """Update a run, and print a line for a log.

    Args:
        given: the options of ``asmg update``.

    Raises:
        UserError: if something is wrong that the user can mend.
    """
    updated = _update(given, given.files)
    _tell(updated)
    return updated.outcome


def _update(given: Any, files: Sequence[str | Path]) -> Updated:
    """Do the job once: what is at an address is worked on in its copy, and goes up afterwards."""
    with _at_hand(given) as here:
        return job(here, _run(here))(files)


@contextmanager
def _at_hand(given: Any) -> Iterator[Any]:
    """The options with local folders for a run and a store that are at addresses."""
    with ExitStack() as places:
        run = places.enter_context(worked_on(given.run, about_versions))
        store = None if given.store is None else places.enter_context(worked_on(given.store, about_versions, new=True))
        yield Namespace(**vars(given) | {"run": run, "store": store, "walks_in": given.run})


def follow_folder(given: Any) -> None:
    """Update a run for each file that arrives in a folder, until a signal comes.

    Args:
        given: the options of ``asmg update``.

    Raises:
        UserError: if something is wrong that the user can mend.
    """
    if is_address(given.run) or is_address(given.store):
        raise ConfigError(
            "--follow works on a run and a store of this machine: call asmg update for each file, or follow with a run "
            "folder here, whose stream may be at an address"
        )
    with _at_hand(given) as here:
        done = _run(here)
        update, stream = job(here, done), done.stream()
        with patiently() as stopping:
            arrivals = Arrivals(given.follow, given.order)
            follow(arrivals, update, partial(_taken, stream), _tell, update.due, stopping, given.every)


def _taken(stream: str | Path) -> Mapping[str, str]:
    """The files whose rows a stream has, by digest."""
    if not is_address(stream):
        return taken(Path(stream))
    copy, folder = Copy.view(str(stream))
    copy.fetch(lambda path: not path.endswith((".npy", ".parquet")))
    return taken(folder)


def _run(given: Any) -> WalkedRun:
    return WalkedRun(given.run, given.root, given.complete_until)


def job(given: Any, done: WalkedRun) -> Update:
    """The daily job that options describe.

    Args:
        given: the options.
        done: the run.

    Raises:
        FormatError: if the version that serves could not have one of the formats, before anything is done.
    """
    store = Store(given.store or done.folder / FOLDER)
    formats = done.formats if given.formats is None else given.formats
    _check(store, formats, given.allow)
    options = {name: getattr(given, name) for name in OF_CONVERSION}
    stages = Stages(
        append=lambda files: _append(files, done.stream(), options, given.wait),
        walk=partial(walk, done.folder, given.walks_in, given.root, given.complete_until),
        export=partial(export, done.folder, store, given.root),
        formats=partial(write_formats, store, formats),
    )
    gate = Gate(given.margin, given.periods, tuple(given.calibration))
    return Update(done, store, stages, gate, given.keep, given.force, given.wait, given.allow)


def _append(files: Sequence[str | Path], stream: str | Path, options: Mapping[str, Any], wait: float) -> Appended:
    with written_at(stream, append=True) as folder:
        return append(files, folder, options, wait)


def walk(folder: Path, place: str | Path, root: str | Path | None, complete_until: str | None) -> None:
    """Walk what is new, as ``asmg fit`` does, without a package of each period: the gate decides what serves.

    Args:
        folder: the run folder, or its copy.
        place: the run folder, or its address.
        root: where the stream is now.
        complete_until: the moment up to which the stream has all rows.
    """
    arguments = ["--config", str(folder / CONFIG), "--trainer.default_root_dir", str(place), "--loop.until", "null"]
    arguments += ["--export.keep", "0", *(["--data.root", str(root)] if root else []), "--ckpt_path", "last"]
    arguments += ["--data.periods.init_args.complete_until", complete_until] if complete_until else []
    with _as_before():
        fit.run("fit", arguments, next_steps=False)


def write_formats(store: Store, formats: Sequence[str], package: Package) -> None:
    """Write a version in other programs' formats, unless they are there.

    Args:
        store: of the version.
        formats: which; none is fine.
        package: the version.

    Raises:
        FormatError: if a format cannot be written; the version is not published then.
    """
    if not formats or are_beside(package, store, formats):
        return
    with _refused(package, formats):
        write_beside(package, store, formats)


def _check(store: Store, formats: Sequence[str], allow: Sequence[str]) -> None:
    if formats and store.current() is not None:
        package = open_package(store.path(), allow)
        with _refused(package, formats):
            check_recommender(package.served(), formats)


@contextmanager
def _refused(package: Package, formats: Sequence[str]) -> Iterator[None]:
    """A context whose errors say which version does not get its formats."""
    try:
        yield
    except (ConfigError, FormatError) as error:
        wanted = ", ".join(formats)
        raise FormatError(f"{package.folder} does not get {wanted}, and what serves stays: {error}") from error


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


def _tell(updated: Updated) -> None:
    say(named(updated.line))
