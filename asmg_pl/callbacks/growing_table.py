"""A CSV file that grows by rows: further rows are appended, and the rows before them are not written again.

the first rows of a process     the whole file, in one step      an earlier process may have left other rows there
further rows                    appended in one write            the bytes are those that the whole file would have
rows with other columns         the whole file, in one step      also if the file is not as it was left
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from asmg_pl.system.files import append, written_whole

Row = Mapping[str, Any]


class GrowingTable:
    """The rows of a walk in a file.

    Examples:
        >>> from tempfile import mkdtemp
        >>> table = GrowingTable(Path(mkdtemp()) / "metrics.csv")
        >>> rows = [{"period": 12, "auc": 0.5}]
        >>> table.add(rows, whole=lambda: rows)
        >>> rows.append({"period": 13, "auc": 0.625})
        >>> table.add(rows[1:], whole=lambda: rows)
        >>> table.path.read_text().split()
        ['period,auc', '12,0.5', '13,0.625']
    """

    def __init__(self, path: Path) -> None:
        """Write nothing yet.

        Args:
            path: of the file.
        """
        self.path = path
        self._columns: dict[str, pl.DataType] | None = None  # once the file is of this process
        self._size = 0

    def add(self, rows: Iterable[Row], whole: Callable[[], Iterable[Row]]) -> None:
        """Add rows at the end of the file.

        Args:
            rows: the rows that the file lacks.
            whole: gives all rows of the file, these rows included. It is called if the file is to be written anew.

        Raises:
            StorageError: if the disk is full or fails. The file is as it was before.
        """
        further = pl.DataFrame([*rows], infer_schema_length=None)
        if self._columns is not None and further.is_empty():
            return
        line = self._appendable(further)
        if line is None or not append(self.path, line, self._size):
            return self._write(pl.DataFrame([*whole()], infer_schema_length=None))
        self._size += len(line)

    def remove(self) -> None:
        """Remove the file, which has no rows."""
        self.path.unlink(missing_ok=True)

    def _appendable(self, rows: pl.DataFrame) -> bytes | None:
        """The rows as they would stand in the whole file; ``None`` if they would change how it has other rows."""
        columns = self._columns
        if columns is None or not rows.columns or not set(rows.columns) <= set(columns):
            return None
        for name, kind in rows.schema.items():
            if columns[name] == pl.Null:
                columns[name] = kind
            elif kind not in (pl.Null, columns[name]) and not (kind == pl.Int64 and columns[name] == pl.Float64):
                return None
        found = [
            pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, kind).alias(name)
            for name, kind in columns.items()
        ]
        return rows.select(found).write_csv(include_header=False).encode()

    def _write(self, rows: pl.DataFrame) -> None:
        with written_whole(self.path) as partial:
            rows.write_csv(partial)
            self._size = partial.stat().st_size
        self._columns = dict(rows.schema)
