"""Files with a list of shown items in each line, which become one row per shown item.

user, time, impressions            user, time, impressions.item, impressions.clicked
u1,   9:00, N1-0 N2-1        ─▶    u1,   9:00, N1,               0
                                   u1,   9:00, N2,               1
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.lists import elements, is_list
from asmg_pl.data.tables.text import BLOCK

_FLAGGED = r"^(.*\S)-([01])$"
_SHOWN, _CLICKED = "shown items", "clicked items"


def item_of(impressions: str) -> str:
    """The name of the column that has the shown item, for lists in the column ``impressions``."""
    return f"{impressions}.item"


def clicked_of(impressions: str) -> str:
    """The name of the column that says whether the item was clicked, ``0`` or ``1``."""
    return f"{impressions}.clicked"


class ImpressionsFile(TableFile):
    """A file seen as one row per shown item. The rows of a line have its line, in the order of the list.

    The shown items stand in a list, as :mod:`~asmg_pl.data.tables.lists` reads it. Either each of them ends in ``-1``
    if it was clicked, and in ``-0`` if it was not; or the clicked items stand in a second list, which may be empty.
    """

    def __init__(self, file: TableFile, shown: str, clicked: str | None = None) -> None:
        """Take the columns of lists.

        Args:
            file: the file.
            shown: the name of the column with the shown items.
            clicked: the name of the column with the clicked items; by default, the shown items have flags.
        """
        self.path = file.path
        self.has_header = file.has_header
        self.columns = [*file.columns, item_of(shown), clicked_of(shown)]
        names = {"--impressions": shown} | ({} if clicked is None else {"--clicked": clicked})
        self.needs = [*file.needs, *(_column_of_lists(option, name) for option, name in names.items())]
        self._file = file
        self._shown, self._clicked = shown, clicked

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`."""
        made = column in (item_of(self._shown), clicked_of(self._shown))
        return pl.String() if made else self._file.type_of(column)

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        made = {item_of(self._shown): "item shown", clicked_of(self._shown): "item clicked"}
        own = {name: column for name, column in wanted.items() if column not in made}
        lists = {_SHOWN: self._shown} | ({} if self._clicked is None else {_CLICKED: self._clicked})
        fields = {name: pl.col(made.get(column, name)) for name, column in wanted.items()}
        for records, read in self._file.read(own | lists, size):
            rows = self._flagged(records) if self._clicked is None else self._compared(records)
            sound = pl.col("fault").is_null()
            values = [pl.when(sound).then(value).alias(name) for name, value in fields.items()]
            yield rows.select("line", "text", "fault", *values), read

    def _flagged(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """One row per shown item, columns ``item shown`` and ``item clicked``, from lists of items with flags."""
        odd = pl.col("items").list.eval(pl.element().filter(~pl.element().str.contains(_FLAGGED))).list.first()
        why = pl.format("shown item '{}' has no flag -0 or -1: name the column of clicked items with --clicked", odd)
        item = pl.col("items").str
        return (
            _listed(records)
            .with_columns(fault=pl.coalesce("fault", pl.when(odd.is_not_null()).then(why)))
            .pipe(_one_by_one)
            .with_columns(
                item.extract(_FLAGGED, 1).alias("item shown"), item.extract(_FLAGGED, 2).alias("item clicked")
            )
        )

    def _compared(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """One row per shown item, columns as above, from two lists of items."""
        clicks = elements(pl.col(_CLICKED))
        never = pl.col("clicks").list.set_difference("items").list.first()
        odd = pl.when(~is_list(pl.col(_CLICKED))).then(pl.lit("the clicked items are not written as a list"))
        why = pl.when(never.is_not_null()).then(pl.format("item '{}' was clicked but not shown", never))
        clicked = pl.col("items").is_in(pl.col("clicks")).cast(pl.UInt8).cast(pl.String)
        return (
            _listed(records)
            .with_columns(clicks=clicks)
            .with_columns(fault=pl.coalesce("fault", odd, why))
            .pipe(_one_by_one)
            .with_columns(pl.col("items").alias("item shown"), clicked.alias("item clicked"))
        )


def _listed(records: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``items``, the elements of the shown list, and a fault if there are none."""
    odd = pl.when(~is_list(pl.col(_SHOWN))).then(pl.lit("the shown items are not written as a list"))
    none = pl.when(pl.col("items").list.len() == 0).then(pl.lit("no item was shown"))
    return records.with_columns(items=elements(pl.col(_SHOWN))).with_columns(fault=pl.coalesce("fault", odd, none))


def _one_by_one(records: pl.LazyFrame) -> pl.LazyFrame:
    """One row per item in ``items``; a malformed line stays one row, without an item."""
    return records.with_columns(items=pl.when(pl.col("fault").is_null()).then("items")).explode("items")


def _column_of_lists(option: str, name: str) -> Column:
    return Column("impressions", option, name, lambda text: text, "a list", is_list=True)
