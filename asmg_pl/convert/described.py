"""The tables of a conversion, and the columns that are read from them, checked before any row is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asmg_pl.convert.meanings import item_columns, row_columns, user_columns
from asmg_pl.convert.settings import Settings
from asmg_pl.convert.views import dated, viewed
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.opening import open_tables
from asmg_pl.data.tables.rows import check_schema
from asmg_pl.data.tables.times import Plausible
from asmg_pl.errors import DataError

_NO_HEADER = "name its columns with --columns NAME,NAME,…, one for each"
_NO_ITEM_HEADER = "put a line with the names of its columns before it"


@dataclass(frozen=True)
class Described:
    """The tables of a conversion, whose headers and first rows fit the meanings of their columns.

    Attributes:
        tables: the tables of interactions.
        columns: the columns that are read from them.
        catalogue: the table of the items; empty if there is none.
        item_columns: the columns that are read from it.
        people: the table of the users; empty if there is none.
        user_columns: the columns that are read from it.
        plausible: the range of times that is accepted.
        ended: the last time of the stream to which rows are added, seconds; ``None`` for a new stream.
    """

    tables: list[TableFile]
    columns: list[Column]
    catalogue: list[TableFile]
    item_columns: list[Column]
    people: list[TableFile]
    user_columns: list[Column]
    plausible: Plausible
    ended: int | None


def opened(files: Sequence[str | Path], settings: Settings) -> list[TableFile]:
    """Open files of interactions as the settings have them.

    Raises:
        DataError: if there is no file, or one cannot be opened.
    """
    return viewed(open_tables(files, *settings.dialect, settings.columns), settings)


def described(
    tables: list[TableFile], items: str | Path | None, users: str | Path | None, settings: Settings, stream: Path
) -> Described:
    """Describe tables of interactions, with a file of items and a file of users.

    Args:
        tables: the tables of interactions.
        items: the file of the items' categories and features.
        users: the file of the users' features.
        settings: the meaning of the rows.
        stream: the folder of the stream to which rows are added; there may be no stream yet.

    Raises:
        DataError: if a file or a column is missing or of another kind, or the stream has other features.
    """
    ended = None
    if stream.exists():
        manifest = Manifest.read(stream)
        ended, had = manifest.parts[-1].last_time, list(manifest.context)
        if had != list(settings.all_context):
            raise DataError(
                f"the stream in {stream} has the context features {had}, these rows have {list(settings.all_context)}: "
                "name the stream's with --context, or convert all files together into a new stream"
            )
    plausible = settings.plausible()
    catalogue = open_tables([] if items is None else [items], *settings.dialect)
    people = open_tables([] if users is None else [users], *settings.dialect)
    found = Described(
        tables=tables,
        columns=row_columns(settings, plausible),
        catalogue=dated(catalogue, settings.item_time, settings.time_format),
        item_columns=item_columns(settings, plausible),
        people=dated(people, settings.user_time, settings.time_format),
        user_columns=user_columns(settings, plausible),
        plausible=plausible,
        ended=ended,
    )
    kinds = [
        (found.tables, found.columns, _NO_HEADER),
        (found.catalogue, found.item_columns, _NO_ITEM_HEADER),
        (found.people, found.user_columns, _NO_ITEM_HEADER),
    ]
    check_schema(kinds, settings.read_unit, plausible)
    return found
