"""Files of which only the rows that fulfil conditions are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables.conditions import Condition
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.spelling import AS_WRITTEN, Spelling
from asmg_pl.data.tables.text import BLOCK


class FilteredFile(TableFile):
    """A file without the rows that do not fulfil all conditions. A malformed row is read, so that it is told.

    Attributes:
        left_out: the number of rows that the newest reading has left out so far.
    """

    def __init__(self, file: TableFile, conditions: Sequence[Condition], spelling: Spelling = AS_WRITTEN) -> None:
        """Put conditions before a file.

        Args:
            file: the file.
            conditions: what its rows must fulfil.
            spelling: the rule that tells missing values.
        """
        self.path = file.path
        self.columns = file.columns
        self.has_header = file.has_header
        self.needs = [*file.needs, *(meaning.text("where", "--where", condition.column) for condition in conditions)]
        self.left_out = 0
        self._file = file
        self._conditions = {f"where {number}": condition for number, condition in enumerate(conditions)}
        self._spelling = spelling

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`."""
        return self._file.type_of(column)

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        own = {name: condition.column for name, condition in self._conditions.items()}
        text = {name: self._spelling.of(pl.col(name)) for name in own}
        odd = [condition.fault(text[name]) for name, condition in self._conditions.items()]
        fault = pl.coalesce("fault", *odd)
        holds = pl.all_horizontal(condition.holds(text[name]) for name, condition in self._conditions.items())
        self.left_out = 0
        for records, read in self._file.read(wanted | own, size):
            rows = records.with_columns(fault=fault).collect()
            kept = rows.filter(pl.col("fault").is_not_null() | holds)
            self.left_out += len(rows) - len(kept)
            values = [pl.when(pl.col("fault").is_null()).then(name).alias(name) for name in wanted]
            yield kept.lazy().select("line", "text", "fault", *values), read
