"""What the tools share: walks, each a process of its own, several at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

from messages import passed_over, say
from run_files import peak_of

from asmg_pl.errors import DataError

PEAK = "peak_memory_mib.txt"


def own_and_rest(arguments: list[str]) -> tuple[list[str], list[str]]:
    """A tool's own arguments, and those after ``--``, which go to ``asmg fit``."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def walk(folder: Path, seed: int, arguments: Sequence[str]) -> str | None:
    """Run or resume a walk in its own folder, note its peak memory, and say what went wrong, if anything did."""
    command = [sys.executable, "-m", "asmg_pl", "fit", *arguments, "--seed_everything", str(seed)]
    command += ["--trainer.default_root_dir", str(folder), "--ckpt_path", "last"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            return f"{folder} ended with status {process.returncode}; the end of {log.name}:\n{log.read()[-1000:]}"
    peak = folder / PEAK
    try:
        before = peak_of(peak) if peak.exists() else 0.0
    except DataError as error:
        passed_over(error)
        before = 0.0
    peak.write_text(f"{max(before, used.ru_maxrss / 1024):.0f}\n")
    return None


@dataclass(frozen=True)
class Walk:
    """What :func:`walk` is called with."""

    folder: Path
    seed: int
    arguments: tuple[str, ...]


def walk_all(walks: Sequence[Walk], jobs: int) -> dict[Walk, str]:
    """Run walks, ``jobs`` at a time, with a line on stderr as each ends; what went wrong, by walk."""

    def run(one: Walk) -> tuple[Walk, str | None, float]:
        began = time.perf_counter()
        return one, walk(one.folder, one.seed, one.arguments), time.perf_counter() - began

    failures = {}
    with ThreadPool(jobs) as pool:
        for ended, (one, failure, seconds) in enumerate(pool.imap_unordered(run, walks), start=1):
            if failure:
                failures[one] = failure
            how = "failed after" if failure else "done in"
            say(f"[{ended}/{len(walks)}] {one.folder} {how} {seconds:.0f} s")
    return failures
