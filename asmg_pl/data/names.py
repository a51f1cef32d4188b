"""Names, which are integers or strings of the raw data, and the dense ids that stand for them."""

from __future__ import annotations

import numpy as np
import polars as pl

from asmg_pl.data.kernels import appearance as kernel
from asmg_pl.errors import DataError


class Names:
    """Names that are numbered from 0 by first appearance, so that new names never renumber earlier ones.

    The object is immutable. Numbering more names gives a new object, so a failure half-way loses nothing.
    """

    def __init__(self, what: str, names: pl.Series | None = None) -> None:
        """Take names whose ids are their positions.

        Args:
            what: the column that holds the names, for error messages.
            names: distinct names in the order of their ids; by default none.
        """
        self.what = what
        self._numbered = pl.DataFrame() if names is None else _numbered(names.alias("name"), first=0)

    def __len__(self) -> int:
        return len(self._numbered)

    def since(self, first: int) -> pl.Series:
        """The names of the ids from ``first`` on."""
        return self._numbered["name"][first:] if len(self) else pl.Series("name", [], pl.String)

    def without(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """The rows of a frame whose name in ``column`` has no id yet."""
        return frame.join(self._numbered, left_on=column, right_on="name", how="anti", maintain_order="left")

    def number(self, names: pl.Series) -> tuple[np.ndarray, Names]:
        """Number names: their ids, int32 [n], and the names including the new ones.

        Raises:
            DataError: if the names are neither integers nor strings, some are missing, or earlier names are of the
                other kind.
        """
        names = plain(names, self.what).alias("name")
        if names.is_empty():
            return np.zeros(0, np.int32), self
        if len(self) and names.dtype != self._numbered["name"].dtype:
            was, now = (
                "integers" if kind.is_integer() else "strings" for kind in (self._numbered["name"].dtype, names.dtype)
            )
            raise DataError(f"column {self.what!r} held {was} so far and holds {now} now: cast it to what it was")
        place, distinct = _by_appearance(names)
        if not len(self):
            return place, Names(self.what, distinct)
        # Only the distinct names of this call are joined with all names.
        known = self._numbered.join(distinct.to_frame(), on="name", how="semi")
        unknown = distinct.to_frame().join(known, on="name", how="anti", maintain_order="left")["name"]
        new = _numbered(unknown.rechunk(), first=len(self))
        ids = distinct.to_frame().join(pl.concat([known, new]), on="name", how="left", maintain_order="left")["id"]
        grown = Names(self.what)
        grown._numbered = pl.concat([self._numbered, new])
        return ids.to_numpy()[place], grown


def plain(names: pl.Series, what: str) -> pl.Series:
    """Names as Int64 or String.

    Raises:
        DataError: if the names are neither integers nor strings, or some are missing.
    """
    if missing := names.null_count():
        raise DataError(f"column {what!r} of the stream has {missing} missing values: drop or fill them first")
    if names.dtype.is_integer():
        try:
            return names.cast(pl.Int64)
        except pl.exceptions.InvalidOperationError:
            raise DataError(
                f"column {what!r} of the stream has integers beyond 2**63 - 1: cast it to strings"
            ) from None
    if names.dtype in (pl.String, pl.Categorical, pl.Enum):
        return names.cast(pl.String)
    raise DataError(f"column {what!r} of the stream holds {names.dtype}: cast it to integers or strings")


def _by_appearance(names: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """The place of each name among the distinct ones, int32 [n], and these, in one chunk, by first appearance."""
    if kernel.computes(len(names)):
        place, rows = kernel.number(names)
        return place, names.gather(rows).rechunk()
    names = names.rechunk()  # names in many pieces take half as long again
    first = _first_rows(names)
    begins = first == np.arange(len(names), dtype=first.dtype)
    return (np.cumsum(begins, dtype=np.int32) - 1)[first], names.gather(np.flatnonzero(begins))


def _first_rows(names: pl.Series) -> np.ndarray:
    """For each row, the first row that has the same name, uint32 [n]."""
    by_hash = [names.hash()] if names.dtype == pl.String else []  # grouping by hashes is twice as fast
    for key in (*by_hash, names):
        rows = key.alias("key").to_frame().with_row_index("row")
        first = rows.select(pl.col("row").first().over("key"))["row"]
        if names.gather(first).equals(names):  # else two names have one hash
            break
    return first.to_numpy()


def _numbered(names: pl.Series, first: int) -> pl.DataFrame:
    return pl.DataFrame({"name": names, "id": np.arange(first, first + len(names), dtype=np.int32)})
