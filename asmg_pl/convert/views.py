"""What of a user's files is read as rows: the files as they are, seen through the settings.

file ─▶ one row per shown item ─▶ times as dates of ISO 8601 ─▶ rows that fulfil the conditions
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from asmg_pl.convert.settings import Settings
from asmg_pl.data.tables.dated import DatedFile
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.filtered import FilteredFile
from asmg_pl.data.tables.impressions import ImpressionsFile
from asmg_pl.data.tables.spelling import Spelling


def viewed(tables: Sequence[TableFile], settings: Settings) -> list[TableFile]:
    """The files, with only the rows that the settings ask for.

    Args:
        tables: the files of interactions.
        settings: the meaning of the rows.
    """
    return [_viewed(table, settings) for table in tables]


def dated(tables: Sequence[TableFile], column: str | None, form: str | None) -> list[TableFile]:
    """The files, with the times of a column as dates of ISO 8601.

    Args:
        tables: files of users or of items.
        column: the column of times; ``None`` if there is none.
        form: how the times are written; ``None`` if they need no form.
    """
    if column is None or form is None:
        return list(tables)
    return [DatedFile(table, column, form) for table in tables]


def _viewed(table: TableFile, settings: Settings) -> TableFile:
    if settings.impressions is not None:
        table = ImpressionsFile(table, settings.impressions, settings.clicked)
    (table,) = dated([table], settings.time, settings.time_format)
    if conditions := settings.conditions():
        table = FilteredFile(table, conditions, Spelling("as-written", settings.missing))
    return table


def labelled(rows: pl.DataFrame, positive: Sequence[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Turn kinds of events into labels, 1 for the positive ones.

    Args:
        rows: the rows, with kinds of events as :func:`asmg_pl.data.tables.columns.event` has them.
        positive: the positive kinds; none if the rows have labels.

    Returns:
        The rows, and the positive kinds that no row has.
    """
    if not positive or rows.is_empty():
        return rows, ()
    met = set(rows["label"].unique())
    never = tuple(kind for number, kind in enumerate(positive, 1) if number not in met)
    return rows.with_columns(label=(pl.col("label") > 0).cast(pl.UInt8)), never


def left_out_by_where(tables: Iterable[TableFile]) -> int:
    """The number of rows that the newest reading of these files has left out, since they fulfil no condition."""
    return sum(table.left_out for table in tables if isinstance(table, FilteredFile))
