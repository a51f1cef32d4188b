"""What of a user's files is read as rows: the files as they are, seen through the settings.

file ─▶ the rows that fulfil the conditions ─▶ rows of interactions
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asmg_pl.convert.settings import Settings
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.filtered import FilteredFile
from asmg_pl.data.tables.spelling import Spelling


def viewed(tables: Sequence[TableFile], settings: Settings) -> list[TableFile]:
    """The files, with only the rows that the settings ask for.

    Args:
        tables: the files of interactions.
        settings: the meaning of the rows.
    """
    missing, conditions = Spelling("as-written", settings.missing), settings.conditions()
    return [FilteredFile(table, conditions, missing) if conditions else table for table in tables]


def left_out_by_where(tables: Iterable[TableFile]) -> int:
    """The number of rows that the newest reading of these files has left out, since they fulfil no condition."""
    return sum(table.left_out for table in tables if isinstance(table, FilteredFile))
