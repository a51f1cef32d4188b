"""``asmg convert --compact STREAM``: merges the parts of a stream."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.parser import CommandParser
from asmg_pl.convert.compaction import compact
from asmg_pl.data.stream import Compaction
from asmg_pl.errors import ConfigError
from asmg_pl.storage.names import named
from asmg_pl.storage.work import worked_on

#: The option that says that a stream is to be compacted, and nothing converted.
OPTION = "--compact"
#: The number of parts from which on an append recommends to merge them.
MANY = 500

HELP = (
    "merge the parts of this stream into few, and convert nothing: each append makes a part, and thousands cannot be "
    "mapped. Rows, ids and names stay, and so does a walk. It takes no other option than --wait"
)


def run(arguments: Sequence[str]) -> None:
    """Merge the parts of the stream that the command line names, and print how many there are now.

    Raises:
        UserError: see :func:`asmg_pl.convert.compact`.
    """
    given = parser().parse_args(list(arguments))
    if not 0 <= given.wait < 2**62:
        raise ConfigError(f"--wait must be a number of seconds, got {given.wait}")
    with worked_on(given.compact) as folder:
        told = report(compact(folder, given.wait), folder)
    print(named(told))


def parser() -> CommandParser:
    """The options of a compaction."""
    parser = CommandParser(
        prog="asmg convert --compact",
        usage="asmg convert --compact STREAM [--wait SECONDS]",
        description="Merge the parts of a stream into few, with the same rows, ids and names.",
    )
    parser.add_argument(OPTION, metavar="STREAM", required=True, help="the folder of the stream, or its address")
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="X",
        help="the seconds to wait while another program writes the stream (default: 0.0)",
    )
    return parser


def report(done: Compaction, folder: Path) -> str:
    """The result of a compaction in a line."""
    if done.parts == done.before:
        return f"{folder}: {_parts(done.parts)} of {done.rows:,} rows, nothing to merge"
    return f"{folder}: {_parts(done.before)} merged into {done.parts:,}, {done.rows:,} rows as before"


def recommended(parts: int, folder: Path) -> str | None:
    """The advice to merge the parts of a stream, if it has many."""
    if parts < MANY:
        return None
    return f"the stream has {parts:,} parts: asmg convert {OPTION} {shlex.quote(str(folder))} merges them"


def _parts(number: int) -> str:
    return f"{number:,} part{'s' * (number != 1)}"
