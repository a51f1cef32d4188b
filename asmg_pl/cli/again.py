"""The command that goes on with what has been stopped, as it is to be typed."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

#: Commands that go on by themselves when they are called again.
REPEATABLE = ("prepare", "compare", "tune", "sweep", "seeds", "reproduce", "freshness", "update")


def how_to_go_on(called: Sequence[str] | None = None) -> str:
    """What to do after this program was stopped; nothing, if there is nothing to go on with.

    Args:
        called: the arguments of the program, those of ``sys.argv`` by default.
    """
    command, *arguments = (sys.argv[1:] if called is None else called) or [""]
    if command == "fit":
        return f"go on with {launcher()} fit {shlex.join(resuming(arguments))}"
    if command in REPEATABLE:
        return f"go on with {program()} {shlex.join([command, *arguments])}"
    return ""


def resuming(arguments: Sequence[str]) -> list[str]:
    """The options of a walk, changed so that it goes on from its newest checkpoint and overwrites nothing."""
    return [*without(arguments, "--ckpt_path", "--checkpoint.overwrite"), "--ckpt_path", "last"]


def without(arguments: Sequence[str], *options: str) -> list[str]:
    """The arguments of a command line but for some options and their values."""
    kept: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        option, equals, _ = word.partition("=")
        if option not in options:
            kept.append(word)
        elif not equals and words and not words[0].startswith("--"):
            words.pop(0)
    return kept


def launcher() -> str:
    """How the program was started; the words of torchrun that stood before it are not known here."""
    return "torchrun ... -m asmg_pl" if "TORCHELASTIC_RUN_ID" in os.environ else program()


def program() -> str:
    """How one process of the program is called: by its name, or as a module."""
    return "python -m asmg_pl" if sys.argv[0].endswith("__main__.py") else "asmg"
