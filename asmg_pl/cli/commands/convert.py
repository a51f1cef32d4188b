"""``asmg convert FILES … --out STREAM``: the options of a conversion, and what it says when it is done."""

from __future__ import annotations

import inspect
import shlex
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from docstring_parser import parse

from asmg_pl.cli.commands import compact
from asmg_pl.cli.parser import CommandParser
from asmg_pl.convert.conversion import convert
from asmg_pl.convert.done import Conversion
from asmg_pl.convert.elsewhere import written_at
from asmg_pl.convert.in_stream import MOST
from asmg_pl.convert.remembered import option
from asmg_pl.convert.settings import Settings
from asmg_pl.data.tables.quarantine import FILE as QUARANTINE
from asmg_pl.storage.names import named


def run(arguments: Sequence[str]) -> None:
    """Convert as the command line says, and print what has been written; or merge the parts of a stream.

    Raises:
        UserError: see :func:`asmg_pl.convert.convert` and :func:`asmg_pl.convert.compact`.
    """
    if any(word.partition("=")[0] == compact.OPTION for word in arguments):
        return compact.run(arguments)
    given = vars(parser().parse_args(list(arguments)))
    own = {name: given.pop(name) for name in inspect.signature(convert).parameters if name in given}
    with written_at(own.pop("out"), own["append"]) as folder:
        settings = Settings.of(given, folder if own["append"] else None)
        told = report(convert(out=folder, settings=settings, **own), folder)
    print(named(told))


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
    if listed := done.late - done.dropped:
        lines.append(f"left out: {listed:,} rows earlier than the stream's end, see {folder / QUARANTINE}")
    if done.dropped:
        lines.append(f"left out: {done.dropped:,} rows earlier than the stream's end")
    if done.entered_late:
        lines.append(
            f"{done.entered_late:,} rows were earlier than the stream's end, and have its time now: they count in the "
            "period that is not over"
        )
    if done.not_compared:
        lines.append(
            f"{done.not_compared:,} of them are older than the stream's newest {MOST:,} rows, with which rows are "
            "compared: nobody has looked whether the stream has them already"
        )
    if done.passed_over:
        lines.append(f"left out: {done.passed_over:,} files that were appended before")
    if done.repeated:
        lines.append(f"left out: {done.repeated:,} rows that were there already")
    if done.filtered:
        lines.append(f"left out: {done.filtered:,} rows by --where")
    if done.never:
        lines.append(
            f"no row has the event {' or '.join(map(repr, done.never))}: is --positive written as in the files?"
        )
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
    for side in done.without_side:
        lines.append(f"no row has features of its {side}: are the ids in --{side}s written as in the rows?")
    if done.cut_lists:
        lines.append(
            f"{done.cut_lists:,} lists were longer than {done.list_size} values, and lost the later ones: to keep "
            "more, convert everything into a new stream with a larger --list-size"
        )
    for name in done.like_numbers:
        lines.append(
            f"the context feature {name} has only numbers, and each of them became a category: if their size means "
            f"something, convert again with --numbers {shlex.quote(name)} (or --user-numbers, --item-numbers)"
        )
    if done.label_mean == 0:
        lines.append(
            "no row is positive, so that nothing can be learned: is that what --label, --positive or --positive-from "
            "means?"
        )
    if advice := compact.recommended(done.parts, folder):
        lines.append(advice)
    walk = f"asmg fit --model ASMG --data.source Stream --data.root {shlex.quote(str(folder))}"
    if done.only_positives:
        lines.append(
            "all rows of the stream are positive, and a walk without negatives is refused: draw them afresh in each "
            "pass of the walk, as the command below does, or convert again with --all-positive --negatives 1"
        )
        walk += " --data.negatives Fresh"
    if not done.histories:
        walk += " --data.history_size 0"
    return "\n".join([*lines, f"walk it: {walk} --trainer.default_root_dir runs/{shlex.quote(folder.name)}"])


#: The options by what they are about, as the help shows them.
GROUPS = {
    "files": ("files", "query", "out", "append", "max_bad_rows", "late", "repeated", "wait", "engine"),
    "what the columns mean": ("user", "item", "time", "impressions", "clicked", "missing", "ids"),
    "which rows are positive": ("label", "positive", "rating", "positive_from", "all_positive", "labels", "weight"),
    "which rows are read": ("where",),
    "features of the interactions": ("context", "numbers", "log_numbers", "lists", "list_size"),
    "features of the users": ("users", "user_id", "user_time", "user_context", "user_numbers", "user_lists"),
    "times": ("time_unit", "time_format", "any_time", "start", "end"),
    "categories and features of the items": (
        *("items", "item_id", "categories", "separator"),
        *("item_time", "item_context", "item_numbers", "item_lists"),
    ),
    "negatives and histories": ("negatives", "negative_rule", "seed", "history", "carry"),
    "text files": ("columns", "delimiter", "quote"),
}


def parser() -> CommandParser:
    """The options of ``asmg convert``, and their help, from what is called with them."""
    text = inspect.cleandoc(convert.__doc__ or "").split("\nArgs:")[0]
    parser = CommandParser(
        prog="asmg convert",
        usage="asmg convert FILE … --out STREAM --user COL --item COL --time COL --label COL [option …]",
        description=text,
    )
    found = options()
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            flags, kept = found[name]
            group.add_argument(*flags, **kept)
    parser.add_argument_group("many appends").add_argument(compact.OPTION, metavar="STREAM", help=compact.HELP)
    return parser


def options() -> dict[str, tuple[list[str], dict[str, Any]]]:
    """The options by name, each with its flags and how it is read, for :meth:`argparse.ArgumentParser.add_argument`."""
    found = {}
    for described in (convert, Settings):
        helps = {p.arg_name: " ".join((p.description or "").split()) for p in parse(described.__doc__ or "").params}
        types = typing.get_type_hints(described)
        for name, parameter in inspect.signature(described).parameters.items():
            if name in helps:
                found[name] = _option(name, parameter, helps[name], types[name], own=described is convert)
    return found


def _option(
    name: str, parameter: inspect.Parameter, text: str, kind: Any, own: bool
) -> tuple[list[str], dict[str, Any]]:
    """An option's name and how it is read, for :meth:`argparse.ArgumentParser.add_argument`."""
    if name == "files":
        return [name], {"nargs": "+", "metavar": "FILE", "help": text}
    # A setting that was not given is None: it may be the stream's.
    needed = own and parameter.default is parameter.empty
    kept: dict[str, Any] = {"default": parameter.default if own else None, "required": needed, "dest": name}
    if parameter.default not in (parameter.empty, None, False, ()):
        text = f"{text.removesuffix('.')} (default: {parameter.default})"
    return [option(name)], kept | _value(kind, text.replace("%", "%%"))


def _value(kind: Any, text: str) -> dict[str, Any]:
    """How an option takes a value of this type, for :meth:`argparse.ArgumentParser.add_argument`."""
    kinds = [k for k in typing.get_args(kind) or (kind,) if k not in (type(None), ...)]
    metavar = "COL" if "column" in text.split()[:2] else "N" if int in kinds else "X" if float in kinds else "TEXT"
    if bool in kinds:
        return {"help": text, "action": "store_true"}
    if choices := [choice for k in (kind, *kinds) if typing.get_origin(k) is Literal for choice in typing.get_args(k)]:
        return {"help": text, "choices": choices}
    if typing.get_origin(kind) is tuple:
        metavar = {
            "texts": "TEXT",
            "names": "NAME,NAME",
            "values": "VALUE,VALUE",
            "conditions": "CONDITION",
        }.get(text.split()[0], "COL")
        return {"help": text, "nargs": "+", "action": "extend", "metavar": metavar}
    return {"help": text, "metavar": metavar, "type": next((k for k in kinds if k in (int, float)), str)}
