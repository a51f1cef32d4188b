"""The commands of ``asmg``: a line of help for each, and its function, which is loaded when it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module

from asmg_pl.errors import ConfigError

#: Each command's help, and its function as ``module:function``. The function takes the arguments after the command.
COMMANDS: dict[str, tuple[str, str]] = {
    "fit": ("walk a stream: score, then train on each period", "asmg_pl.cli.commands.fit:fit"),
    "validate": ("score a checkpoint's model on the next period", "asmg_pl.cli.commands.fit:validate"),
    "test": ("score a checkpoint's model on all periods after it", "asmg_pl.cli.commands.fit:test"),
    "convert": ("make a stream of your own tables, CSV or Parquet", "asmg_pl.cli.commands.convert:run"),
    "prepare": ("fetch a published data set", "asmg_pl.cli.commands.prepare:run"),
    "compare": ("walk several methods, or take runs that exist: one table", "asmg_pl.cli.commands.compare:run"),
    "tune": ("choose each method's settings on the warm-up periods", "asmg_pl.cli.commands.tune:run"),
    "sweep": ("walk methods at several values of some options", "asmg_pl.cli.commands.sweep:run"),
    "seeds": ("walk one configuration with several seeds, and average", "asmg_pl.cli.commands.seeds:run"),
    "freshness": ("say what a period's delay costs, by a run's models", "asmg_pl.cli.commands.freshness:run"),
    "report": ("write one HTML page that shows runs side by side", "asmg_pl.cli.commands.report:run"),
    "serve": ("answer requests over HTTP from the newest model", "asmg_pl.cli.commands.serve:run"),
    "reproduce": ("walk the paper's data sets, its figures beside ours", "asmg_pl.cli.commands.reproduce:run"),
    "update": ("append, walk, judge and publish: the daily job", "asmg_pl.cli.commands.update:run"),
    "export": ("write a serving package from a run's checkpoint", "asmg_pl.cli.commands.export:run"),
    "rollback": ("let an earlier serving package serve again", "asmg_pl.cli.commands.rollback:run"),
    "completion": ("print the script that completes asmg in your shell", "asmg_pl.cli.commands.completion:run"),
}

#: Commands that are loaded in no time.
QUICK = ("prepare",)

#: What to use instead of a command that there is not, by its name.
INSTEAD = {"predict": "asmg test scores a checkpoint's model, and --export.keep writes what answers requests"}

_HELP = """\
usage: asmg COMMAND [option ...]

Keep recommender models fresh along a stream.

{commands}

asmg COMMAND --help explains the options of a command. Any command takes:

  --debug     show the traceback behind an error message, and debug messages
  --help      show this help
  --version   show the version

A walk to begin with: asmg fit --config demo
"""


def overview() -> str:
    """The help of ``asmg`` itself: all commands with a line each."""
    width = max(map(len, COMMANDS))
    return _HELP.format(commands="\n".join(f"  {name:<{width}}  {text}" for name, (text, _) in COMMANDS.items()))


def check_name(name: str) -> None:
    """Refuse a command that there is not.

    Raises:
        ConfigError: with the one that may have been meant.
    """
    if name in COMMANDS:
        return
    if name.startswith("-"):
        raise ConfigError(f"{name} stands where the command should: give the command first, as in asmg fit {name}")
    if name in INSTEAD:
        raise ConfigError(f"there is no command {name}: {INSTEAD[name]}")
    near = get_close_matches(name, COMMANDS, 1, 0.5)
    meant = f" Did you mean asmg {near[0]}?" if near else ""
    raise ConfigError(f"there is no command {name}.{meant} There are {', '.join(COMMANDS)}")


def load(name: str) -> Callable[[Sequence[str]], None]:
    """Import a command's function."""
    module, _, function = COMMANDS[name][1].partition(":")
    return getattr(import_module(module), function)
