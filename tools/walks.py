"""What the tools share: one walk as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PEAK = "peak_memory_mib.txt"


def own_and_rest(arguments: list[str]) -> tuple[list[str], list[str]]:
    """A tool's own arguments, and those after ``--``, which go to ``asmg fit``."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def walk(folder: Path, seed: int, arguments: list[str]) -> str | None:
    """Run or resume a walk in its own folder, note its peak memory, and say what went wrong, if anything did."""
    command = [sys.executable, "-m", "asmg_pl", "fit", *arguments, "--seed_everything", str(seed)]
    command += ["--trainer.default_root_dir", str(folder), "--ckpt_path", "last"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            return f"{folder} ended with status {process.returncode}; the end of {log.name}:\n{log.read()[-1000:]}"
    peak = folder / PEAK
    before = float(peak.read_text()) if peak.exists() else 0.0
    peak.write_text(f"{max(before, used.ru_maxrss / 1024):.0f}\n")
    return None
