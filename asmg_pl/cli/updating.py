"""Puts the daily job together: its stages are other commands' work, and its options those of ``asmg update``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from asmg_pl.cli import fit
from asmg_pl.cli.exporting import export
from asmg_pl.convert.sources import taken
from asmg_pl.errors import ConfigError, FormatError
from asmg_pl.operations import Gate, Outcome, Update, Updated, WalkedRun
from asmg_pl.operations.append import OF_CONVERSION, append
from asmg_pl.operations.arrivals import Arrivals
from asmg_pl.operations.follow import follow
from asmg_pl.operations.update import Stages
from asmg_pl.operations.walked import CONFIG
from asmg_pl.serving.formats.beside import are_beside, write_beside
from asmg_pl.serving.formats.names import check_recommender
from asmg_pl.serving.package import Package, open_package
from asmg_pl.serving.store import FOLDER, Store
from asmg_pl.system.screen import say
from asmg_pl.system.signals import patiently


def update_once(given: Any) -> Outcome:
    """Update a run, and print a line for a log.

    Args:
        given: the options of ``asmg update``.

    Raises:
        UserError: if something is wrong that the user can mend.
    """
    updated = job(given, _run(given))(given.files)
    _tell(updated)
    return updated.outcome


def follow_folder(given: Any) -> None:
    """Update a run for each file that arrives in a folder, until a signal comes.

    Args:
        given: the options of ``asmg update``.

    Raises:
        UserError: if something is wrong that the user can mend.
    """
    done = _run(given)
    update, stream = job(given, done), done.stream()
    with patiently() as stopping:
        arrivals = Arrivals(given.follow, given.order)
        follow(arrivals, update, partial(taken, stream), _tell, update.due, stopping, given.every)


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
        append=lambda files: append(files, done.stream(), options, given.wait),
        walk=partial(walk, done.folder, given.root, given.complete_until),
        export=partial(export, done.folder, store, given.root),
        formats=partial(write_formats, store, formats),
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
    say(updated.line)
