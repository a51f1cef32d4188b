"""A walk: a call of ``asmg fit``, and the configuration that it has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asmg_pl.errors import ConfigError
from asmg_pl.experiments.finished import call_marks, stays
from asmg_pl.system.files import written_whole

#: Files in a run folder that whoever starts a walk writes: its largest memory, and what it has said.
PEAK, LOG = "peak_memory_mib.txt", "log.txt"


@dataclass(frozen=True)
class Walk:
    """A call of ``asmg fit``.

    Attributes:
        folder: the run folder.
        seed: of the walk.
        arguments: all further ones.
    """

    folder: Path
    seed: int
    arguments: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The command that begins the walk, or goes on with it."""
        return [*program(), "fit", *self.own_arguments, "--ckpt_path", "last"]

    @property
    def own_arguments(self) -> tuple[str, ...]:
        """All arguments of the walk, its seed and its folder too."""
        own = ("--seed_everything", str(self.seed), "--trainer.default_root_dir", str(self.folder))
        return (*self.arguments, *own)


def program() -> list[str]:
    """The command ``asmg``, by this interpreter.

    ``-P`` keeps the working folder from the front of the search path, where one of its modules could hide one of
    Python's; ``asmg`` puts it at the end itself. A package that lies in the working folder is found there alone.
    """
    lies_here = Path(__file__).parents[2] == Path.cwd()
    return [sys.executable, *([] if lies_here else ["-P"]), "-m", "asmg_pl"]


def resolved(arguments: Sequence[str], kept: Path | None = None) -> dict[str, Any]:
    """The whole configuration that ``asmg fit`` makes of some arguments.

    Args:
        arguments: of ``asmg fit``.
        kept: a file that keeps it; it is made again if the arguments, the files that they name, or the program change.

    Raises:
        ConfigError: with the message of ``asmg fit``, if it does not accept them.
    """
    marks = call_marks(arguments)
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        if kept is not None and (noted := json.loads(kept.read_text(encoding="utf-8")))["marks"] == marks:
            return dict(noted["settings"])
    command = [*program(), "fit", *arguments, "--print_config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ConfigError(done.stderr.strip().removeprefix("asmg: "))
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    if kept is not None and stays(found):
        with suppress(TypeError), written_whole(kept) as partial:  # of values that JSON lacks, nothing is kept
            partial.write_text(json.dumps({"marks": marks, "settings": found}, indent=1) + "\n", encoding="utf-8")
    return found
