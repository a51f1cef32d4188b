"""The argument parser of the commands that do not walk: an error is one message, with what a misspelt name may mean."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from asmg_pl.cli.failure import OneMessage

#: Most characters of a line of the help.
_WIDEST = 100


class CommandParser(OneMessage, argparse.ArgumentParser):
    """A parser that takes no abbreviated options, and answers a misspelt option or choice with the likely one.

    Attributes:
        hint: what the message on an unknown option ends with, if no option is spelt like it.
    """

    hint = ""

    def __init__(self, prog: str, **options: Any) -> None:
        """Create a parser.

        Args:
            prog: the command, ``asmg convert`` for example.
            options: see :class:`argparse.ArgumentParser`.
        """
        options.setdefault("formatter_class", _formatter)
        super().__init__(prog=prog, allow_abbrev=False, **options)
        self.help_command = f"{prog} --help"

    def parse_args(self, args: Sequence[str], namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the arguments after the command.

        Raises:
            SystemExit: with 2 and one message, if they are wrong.
        """
        known = option_names(self)
        for argument in args:
            name = argument.split("=", 1)[0]
            if re.match(r"--?[A-Za-z]", name) and name not in known:
                near = get_close_matches("--" + name.strip("-").replace("_", "-"), known, n=1)
                self.error(f"there is no option {name}" + (f": did you mean {near[0]}?" if near else self.hint))
        return super().parse_args(args, namespace)

    def explain(self, message: str) -> str:
        """The message, with the choice that may have been meant."""
        if found := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            near = get_close_matches(found[1], re.findall(r"[^', ]+", found[2]), n=1)
            return message + (f": did you mean {near[0]}?" if near else "")
        return message


def positive(text: str) -> int:
    """A count, the type of an option."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return int(text)


def option_names(parser: argparse.ArgumentParser) -> list[str]:
    """The options that the help of a parser lists, as they are typed."""
    listed = re.findall(r"^ +(-.*?)(?:  |$)", parser.format_help(), flags=re.MULTILINE)
    return re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", " ".join(listed))


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return argparse.HelpFormatter(prog, max_help_position=26, width=width)
