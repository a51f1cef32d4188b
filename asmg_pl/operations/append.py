"""The first stage of the daily job: rows of new files become part of the run's stream, each file once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asmg_pl.convert import Settings, convert
from asmg_pl.convert.fetching import Inputs, at_hand
from asmg_pl.convert.kept import finish
from asmg_pl.convert.sources import sources_of, taken
from asmg_pl.data.tables.opening import input_files
from asmg_pl.errors import NothingNewError

log = logging.getLogger(__name__)

#: Arguments of a conversion that the files of an update can need.
OF_CONVERSION = ("query", "items", "users", "late", "repeated", "max_bad_rows")


@dataclass(frozen=True)
class Appended:
    """What was added to a stream.

    Attributes:
        files: the number of files whose rows were added.
        rows: the number of rows.
        left_out: the number of rows that were left out: malformed, late, or repeated.
        passed_over: the number of files that brought nothing: the stream had taken them before, or all their rows are
            late or repeated, and left out.
    """

    files: int
    rows: int
    left_out: int
    passed_over: int

    def notes(self) -> Iterator[str]:
        """The numbers in words, for a log.

        Examples:
            >>> list(Appended(1, 1500, 2, 1).notes())
            ['1 file, 1,500 rows, 2 left out', '1 file passed over']
        """
        if self.files:
            yield f"{_files(self.files)}, {self.rows:,} rows" + (f", {self.left_out:,} left out" * bool(self.left_out))
        if self.passed_over:
            yield f"{_files(self.passed_over)} passed over"


def nothing() -> Appended:
    """What an update without files adds."""
    return Appended(0, 0, 0, 0)


def append(files: Sequence[str | Path], stream: Path, options: Mapping[str, Any], wait: float = 0.0) -> Appended:
    """Add the rows of files to a stream, all in one step; a file whose content the stream has is passed over.

    Args:
        files: files of rows, folders of such files, or addresses, as for ``asmg convert --append``.
        stream: the stream's folder.
        options: further arguments of :func:`asmg_pl.convert.convert`, such as ``late`` and ``items``.
        wait: the seconds to wait for another program that is writing the stream.

    Raises:
        UserError: if the rows cannot be added. The stream is as it was then.
    """
    given = dict(options)
    items, users, query = (given.pop(name, None) for name in ("items", "users", "query"))
    with at_hand(files, items, users, query, stream, wait) as here:
        return _added(here, stream, given, wait)


def _added(here: Inputs, stream: Path, options: Mapping[str, Any], wait: float) -> Appended:
    """See :func:`append`, of files that are on this machine."""
    listed, known = input_files(here.files), taken(stream)
    again = {source.path: known[source.digest] for source in sources_of(listed) if source.digest in known}
    for path, name in again.items():
        log.info("%s is passed over: the stream has its rows, from %s", here.named(str(path)), name)
    fresh = [path for path in listed if path not in again]
    if not fresh and listed:
        finish(stream, wait)
        return Appended(0, 0, 0, len(again))
    try:
        done = convert(
            replace(here, files=[*(fresh or here.files)]),
            stream,
            Settings.of({}, stream),
            here.items,
            append=True,
            wait=wait,
            users=here.users,
            **options,
        )
    except NothingNewError as error:  # a day without a row, or of rows that are to be left out
        log.warning("%s", here.named(str(error)))
        return Appended(0, 0, 0, len(listed))
    left_out = done.quarantined + done.late + done.repeated
    return Appended(len(fresh), done.rows, left_out, len(again))


def _files(number: int) -> str:
    return f"{number} file{'s' * (number != 1)}"
