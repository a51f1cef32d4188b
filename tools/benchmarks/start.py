"""The time until commands do something: help, a small conversion, a walk's first line, a study that has ended.

Seconds are of the processor, of all threads and processes that a command starts; the wall clock's stand beside them.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

#: Walks up to the first line that the walk itself logs, and prints the seconds from the end of the imports.
FIRST_LINE = """
import logging, os, time
import asmg_pl.cli.commands.fit
class First(logging.Handler):
    def emit(self, record):
        print(time.process_time() - began, flush=True)
        os._exit(0)
logger = logging.getLogger("asmg_pl.callbacks.report")
logger.addHandler(First())
logger.setLevel(logging.INFO)
began = time.process_time()
asmg_pl.cli.commands.fit.fit({arguments!r})
"""

#: Walks a study whose walks are copies of one run folder, so that all of them have ended.
COPIES = """
from asmg_pl.cli.main import run
from asmg_pl.experiments.walks import Walk
Walk.command = property(lambda walk: ["cp", "-r", {template!r} + "/.", str(walk.folder)])
run("compare", {arguments!r})
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the measurement."""
    parser.add_argument("--rows", type=int, default=10_000, help="rows to convert")
    parser.add_argument("--methods", type=int, default=20, help="methods of the study")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of the study")
    parser.add_argument("--repeat", type=int, default=3, help="calls, of which the fastest counts")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Call each command several times."""
    folder = given.folder.resolve()
    return {
        **_best(given, "asmg --help", ["--help"]),
        **_convert(given, folder),
        **_first_line(given, folder),
        **_study(given, folder),
    }


def _convert(given: argparse.Namespace, folder: Path) -> dict[str, float]:
    draw, table = random.Random(0), folder / "rows.csv"
    lines = [f"{draw.randrange(500)},{draw.randrange(300)},{1_600_000_000 + 60 * n},{n % 2}" for n in range(given.rows)]
    table.write_text("\n".join(["user,item,time,label", *lines]) + "\n")
    columns = ["--user", "user", "--item", "item", "--time", "time", "--label", "label"]
    targets = iter(range(given.repeat))
    return _best(
        given,
        f"asmg convert of {given.rows:,} rows",
        lambda: ["convert", str(table), "--out", str(folder / f"stream-{os.getpid()}-{next(targets)}"), *columns],
    )


def _first_line(given: argparse.Namespace, folder: Path) -> dict[str, float]:
    arguments = ["--config", "demo", "--trainer.default_root_dir", str(folder / "walk"), "--checkpoint.overwrite=true"]
    code = FIRST_LINE.format(arguments=arguments)
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
        for _ in range(given.repeat)
    ]
    return {"asmg fit, imports to the first line: s of the processor": min(map(float, found))}


def _study(given: argparse.Namespace, folder: Path) -> dict[str, float]:
    methods = [folder / "methods" / f"method-{number}.yaml" for number in range(given.methods)]
    (folder / "methods").mkdir(exist_ok=True)
    for method in methods:
        method.write_text("model: asmg_pl.updaters.IncrementalUpdate\n")
    walk = ["--model", "IncrementalUpdate", "--data.source", "DriftingStream", "--data.source.rows", "620"]
    walk += ["--data.source.users", "20", "--data.source.items", "20", "--model.pretrain_epochs", "1"]
    template = folder / "template"
    own = ["--trainer.default_root_dir", str(template), "--ckpt_path", "last", "--trainer.enable_progress_bar", "false"]
    _run([sys.executable, "-m", "asmg_pl", "fit", *walk, *own])
    arguments = [str(folder / "study"), "--methods", *map(str, methods), "--seeds", *map(str, range(given.seeds))]
    arguments += ["--", *walk]
    copies = COPIES.format(template=str(template), arguments=arguments)
    _run([sys.executable, "-c", copies])
    walks = given.methods * given.seeds
    return _best(given, f"asmg compare, {walks} finished walks", ["compare", *arguments])


def _best(
    given: argparse.Namespace, name: str, arguments: Sequence[str] | Callable[[], Sequence[str]]
) -> dict[str, float]:
    """The fastest of several calls of ``asmg``."""
    found = [
        _run([sys.executable, "-m", "asmg_pl", *(arguments() if callable(arguments) else arguments)])
        for _ in range(given.repeat)
    ]
    used, wall = min(found)
    return {f"{name}: s of the processor": used, f"{name}: s by the clock": wall}


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of a command: of the processor, and by the clock."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, time.perf_counter() - began
