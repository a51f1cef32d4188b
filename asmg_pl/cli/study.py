"""The options and messages that the commands about several runs have in common."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asmg_pl.cli.config_files import find_all
from asmg_pl.cli.parser import CommandParser
from asmg_pl.cli.pool import Options, add_cluster, add_jobs
from asmg_pl.errors import ConfigError
from asmg_pl.storage.names import named
from asmg_pl.system.escaping import terminal
from asmg_pl.system.screen import complain

SEEDS = [1234, 1235, 1236]

#: The sentence on what the command line after ``--`` is for.
REST = "Everything after -- goes to asmg fit, before the method's own file."
AGAIN = (
    "Finished walks are not run again, interrupted walks go on, and failed walks are named at the end, with exit "
    "status 1; the others count nevertheless."
)


class StudyParser(CommandParser):
    """A parser whose help has a description, all options, and examples to copy."""

    hint = ": if it is an option of asmg fit, give it after --"

    def __init__(self, command: str, usage: str, description: str, examples: Sequence[str]) -> None:
        """Describe a command.

        Args:
            command: its name.
            usage: its arguments, as its user types them.
            description: what it does, in a paragraph or several.
            examples: command lines, without ``asmg`` and the command's name.
        """
        width = min(shutil.get_terminal_size().columns, 100)
        super().__init__(
            prog=f"asmg {command}",
            usage=f"asmg {command} {usage}",
            description="\n\n".join(textwrap.fill(part, width) for part in description.split("\n\n")),
            epilog="\n".join(["examples:", *(f"  asmg {command} {example}" for example in examples)]),
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=24, width=width),
        )

    def explain(self, message: str) -> str:
        """The message, as a terminal can show it."""
        return terminal(super().explain(message))

    def add_study(self, group: Options, seeds: Sequence[int] = SEEDS) -> None:
        """Add the options of all commands that walk.

        Args:
            group: of the options, or the parser itself.
            seeds: the default ones.
        """
        shown = " ".join(map(str, seeds))
        group.add_argument(
            "--seeds",
            type=int,
            nargs="+",
            metavar="SEED",
            default=list(seeds),
            help=f"one walk each (default: {shown})",
        )
        add_jobs(group)
        add_cluster(self.add_argument_group("on a Ray cluster"))

    def add_methods(self, group: Options, required: bool = True) -> None:
        """Add the option that names methods."""
        group.add_argument(
            "--methods",
            nargs="+",
            metavar="METHOD",
            required=required,
            help="configuration files, one per method, or the names of installed ones: iu, gru_multi, … A pattern like "
            "'configs/methods/*.yaml' stands for all files that fit",
        )

    def add_tuned(self, group: Options, use: str) -> None:
        """Add the option that names chosen settings, and say what they are used for."""
        group.add_argument(
            "--tuned",
            metavar="FOLDER",
            help="a folder with chosen settings, METHOD.yaml each: the folder tuned/ that asmg tune writes, or an "
            f"installed one like configs/tuned/movietweetings. {use}",
        )


def own_and_rest(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command's own arguments, and those after ``--``, which go to ``asmg fit``."""
    given = list(arguments)
    place = given.index("--") if "--" in given else len(given)
    return given[:place], given[place + 1 :]


def methods_named(names: Sequence[str], option: str = "--methods") -> list[Path]:
    """The methods' files.

    Args:
        names: of files, of installed methods, or patterns.
        option: of the command line, for messages.

    Raises:
        ConfigError: if a file is missing, or two methods have one name.
    """
    files = [file for name in names for file in find_all(name, option, "methods")]
    for file in files:
        others = [other for other in files if other.stem == file.stem and other != file]
        if others:
            raise ConfigError(f"{option}: {file} and {others[0]} are both called {file.stem}: rename one of them")
    return list(dict.fromkeys(files))


@contextmanager
def messages() -> Iterator[None]:
    """Show what the experiments log, a line each, on standard error, from the level that ``ASMG_LOG`` has set."""
    logger, handler = logging.getLogger("asmg_pl.experiments"), _OnTerminal()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.getLogger("asmg_pl").level or logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _OnTerminal(logging.Handler):
    """Writes lines without anything that commands a terminal, above a table that is there."""

    def emit(self, record: logging.LogRecord) -> None:
        complain("\n".join(terminal(line) for line in named(record.getMessage()).splitlines()))


def finish(failed: Sequence[Path]) -> None:
    """End with status 1 if walks have failed, and name them.

    Raises:
        SystemExit: with 1.
    """
    if failed:
        count = f"{len(failed)} walk{'s' * (len(failed) > 1)} failed"
        line = f"asmg: {count}: {', '.join(map(str, failed))}; log.txt in each says why. The same command goes on"
        sys.stderr.write(terminal(line) + "\n")
        sys.exit(1)
