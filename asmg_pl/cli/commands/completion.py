"""``asmg completion SHELL``: the script with which a shell completes commands, options, class names and files.

The script is fixed: pressing the key runs nothing of the program. shtab writes it, for bash and zsh.
"""

from __future__ import annotations

import argparse
import inspect
import typing
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal

from asmg_pl.cli.commands import COMMANDS
from asmg_pl.cli.options import GROUPS, KINDS, classes, parameters
from asmg_pl.cli.parser import CommandParser
from asmg_pl.errors import ConfigError

SHELLS = ("bash", "zsh")

#: The commands whose options are LightningCLI's.
WALKING = ("fit", "validate", "test")

#: Options whose values are files or folders.
FILES = ("--config", "--ckpt_path")
FOLDERS = ("--data.root", "--trainer.default_root_dir")


def run(arguments: Sequence[str]) -> None:
    """Print the script.

    Raises:
        ConfigError: if shtab is not installed.
    """
    shell = parser().parse_args(arguments).shell
    try:
        import shtab
    except ImportError:
        raise ConfigError("asmg completion needs the package shtab: pip install 'asmg_pl[completion]'") from None
    print(shtab.complete(whole_parser(), shell))


def parser() -> CommandParser:
    """The options of ``asmg completion``."""
    parser = CommandParser("asmg completion", description="Print the script that completes asmg in a shell.")
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """A parser that knows the names of all commands and options, and parses nothing."""
    whole = argparse.ArgumentParser(prog="asmg")
    for switch in ("--version", "--debug"):
        whole.add_argument(switch, action="store_true", help=switch.strip("-"))
    commands = whole.add_subparsers()
    for name, (text, place) in COMMANDS.items():
        own = getattr(import_module(place.partition(":")[0]), "parser", None)
        if name in WALKING:
            _add_options_of_walks(commands.add_parser(name, help=text))
        elif own is not None:
            commands.add_parser(name, help=text, parents=[own()], conflict_handler="resolve")
        else:
            commands.add_parser(name, help=text)
        commands.choices[name].add_argument("--debug", action="store_true", help="show tracebacks and debug messages")
    return whole


def _add_options_of_walks(parser: argparse.ArgumentParser) -> None:
    options: dict[str, Any] = {"--config": None, "--ckpt_path": None, "--seed_everything": None}
    parser.add_argument("--print_config", action="store_true", help="show the configuration")
    options["--model"] = _names("model")
    for updater in classes(KINDS["model"]):
        options |= _options("--model.init_args", updater)
    for group, kind in GROUPS.items():
        options |= _options(f"--{group}", kind)
    for option, choices in options.items():
        action = parser.add_argument(option, choices=choices, metavar="VALUE", help=option.strip("-"))
        if option in FILES or option in FOLDERS:
            import shtab

            action.complete = shtab.FILE if option in FILES else shtab.DIRECTORY  # type: ignore[attr-defined]


def _options(prefix: str, kind: type) -> dict[str, list[str] | None]:
    """The options that a class's arguments are, each with its values if they can be listed."""
    return {
        f"{prefix}.{name}": _names(name) if name in KINDS else _values(parameter.annotation)
        for name, parameter in inspect.signature(kind, eval_str=True).parameters.items()
        if name in parameters(kind)
    }


def _names(kind: str) -> list[str]:
    """The names of the package's classes of a kind, and of Lightning's."""
    return [found.__name__ for found in classes(KINDS[kind]) if found is not KINDS[kind]] or [KINDS[kind].__name__]


def _values(hint: Any) -> list[str] | None:
    """The values of a type that has few of them."""
    kinds = [hint, *typing.get_args(hint)]
    words = [str(word) for kind in kinds if typing.get_origin(kind) is Literal for word in typing.get_args(kind)]
    return words or (["true", "false"] if bool in kinds else None)
