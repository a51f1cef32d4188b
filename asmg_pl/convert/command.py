"""``asmg convert FILES … --out STREAM``: the options of a conversion, and what it says when it is done."""

from __future__ import annotations

import argparse
import inspect
import shlex
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from docstring_parser import parse

from asmg_pl.convert.conversion import Conversion, convert
from asmg_pl.convert.settings import Settings, option
from asmg_pl.failure import OneMessage
from asmg_pl.tables.quarantine import FILE as QUARANTINE


def run(arguments: Sequence[str]) -> None:
    """Convert as the command line says, and print what has been written.

    Raises:
        UserError: see :func:`asmg_pl.convert.convert`.
    """
    given = vars(_parser().parse_args(list(arguments)))
    own = {name: given.pop(name) for name in inspect.signature(convert).parameters if name in given}
    settings = Settings.of(given, Path(own["out"]) if own["append"] else None)
    print(report(convert(settings=settings, **own), Path(own["out"])))


def report(done: Conversion, folder: Path) -> str:
    """What a conversion has written, and the command that walks it."""
    first, last = (datetime.fromtimestamp(time, UTC) for time in (done.first, done.last))
    size = done.sizes
    lines = [
        f"{folder}: {done.rows:,} rows written, from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC, "
        f"mean of labels {done.label_mean:.4f}",
        f"the stream has {done.stream_rows:,} rows of {size.users:,} users and {size.items:,} items, "
        f"{size.categories:,} categories",
    ]
    if done.quarantined:
        lines.append(f"left out: {done.quarantined:,} malformed rows, see {folder / QUARANTINE}")
    if done.late:
        lines.append(f"left out: {done.late:,} rows earlier than the stream's end, see {folder / QUARANTINE}")
    if done.repeated:
        lines.append(f"left out: {done.repeated:,} rows that were there already")
    if done.left_out:
        lines.append(f"left out: {done.left_out:,} rows before --start or after --end")
    if done.without_negative:
        lines.append(
            f"{done.without_negative:,} negatives are missing: the users had interacted with every item seen by then"
        )
    if done.recategorised:
        lines.append(
            f"{done.recategorised:,} items that the stream had have other categories from these rows on; earlier rows "
            "keep what was known by then"
        )
    if done.without_category:
        lines.append("no item has a category: are the ids in --items written as in the rows?")
    if done.label_mean == 0:
        lines.append(
            "no row is positive, so that nothing can be learned: is that what --label or --positive-from means?"
        )
    if done.label_mean == 1:
        lines.append(
            "all rows are positive: draw negatives, now with --all-positive --negatives N, or in the walk with "
            "data.negatives"
        )
    walk = f"asmg fit --model ASMG --data.source Stream --data.root {shlex.quote(str(folder))}"
    return "\n".join([*lines, f"walk it: {walk} --trainer.default_root_dir runs/{shlex.quote(folder.name)}"])


class _Parser(OneMessage, argparse.ArgumentParser):
    help_command = "asmg convert --help"


def _parser() -> _Parser:
    """Options and their help from what is called with them."""
    text = inspect.cleandoc(convert.__doc__ or "").split("\nArgs:")[0]
    parser = _Parser(prog="asmg convert", description=text, allow_abbrev=False)
    for described, skipped in ((convert, "settings"), (Settings, "")):
        helps = {p.arg_name: " ".join((p.description or "").split()) for p in parse(described.__doc__ or "").params}
        types = typing.get_type_hints(described)
        for name, parameter in inspect.signature(described).parameters.items():
            if name == "files":
                parser.add_argument(name, nargs="+", metavar="FILE", help=helps[name])
            elif name != skipped:
                # A setting that was not given is None: it may be the stream's.
                own = described is convert
                needed = own and parameter.default is parameter.empty
                kept: dict[str, Any] = {"default": parameter.default if own else None, "required": needed, "dest": name}
                text = helps[name]
                if parameter.default not in (parameter.empty, None, False, ()):
                    text = f"{text.removesuffix('.')} (default: {parameter.default})"
                parser.add_argument(option(name), **kept, **_value(types[name], text))
    return parser


def _value(kind: Any, text: str) -> dict[str, Any]:
    """How an option takes a value of this type, for :meth:`argparse.ArgumentParser.add_argument`."""
    kinds = [k for k in typing.get_args(kind) or (kind,) if k not in (type(None), ...)]
    metavar = "COL" if "column" in text.split()[:2] else "N" if int in kinds else "X" if float in kinds else "TEXT"
    if bool in kinds:
        return {"help": text, "action": "store_true"}
    if typing.get_origin(kind) is Literal:
        return {"help": text, "choices": kinds}
    if typing.get_origin(kind) is tuple:
        return {"help": text, "nargs": "+", "metavar": "COL"}
    return {"help": text, "metavar": metavar, "type": next((k for k in kinds if k in (int, float)), str)}
