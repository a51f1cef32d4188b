"""Tmall: clicks in an online shop, from the repeat-buyers challenge of IJCAI-15."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.negatives import Candidates
from asmg_pl.data.sources.clicks import ClickSource
from asmg_pl.data.sources.published import read_file
from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables.columns import Column
from asmg_pl.errors import ConfigError, DataError

FILE = "user_log_format1.csv"
CLICK = 0


class Tmall(ClickSource):
    """The clicks of October 2014 in ``user_log_format1.csv``. An item has the category of its first click.

    The rows of the most active users are kept, and of these the rows of items with enough rows. Times are days, so a
    history has the clicks of earlier days.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(Tmall(month=10, most_active_users=50_000), root="data/tmall")
        >>> data.source.least_item_rows
        20
    """

    def __init__(
        self,
        month: int = 10,
        most_active_users: int = 50_000,
        least_item_rows: int = 20,
        negatives: int = 1,
        seed: int = 1234,
        expected: dict[str, int] | None = None,
        candidates: Candidates = "seen",
    ) -> None:
        """Choose the rows and the negatives.

        Args:
            month: the month of 2014 to keep, from 1 to 12.
            most_active_users: the number of users to keep; among equally active users, those who come first.
            least_item_rows: the least number of rows of an item; items with fewer are left out.
            negatives: the number of negatives per click, drawn uniformly.
            seed: the seed of the draws.
            expected: the numbers of ``users``, ``items``, ``categories`` and ``positives`` that are kept of the whole
                file. A warning says if there are other numbers.
            candidates: the items that can be drawn: those ``seen`` up to a row, or those of the ``whole_stream``,
                which is only for reproducing the published preprocessing.

        Raises:
            ConfigError: if a number is out of its range.
        """
        super().__init__(negatives, seed, expected, candidates)
        if not 1 <= month <= 12:
            raise ConfigError(f"source.month must be from 1 to 12, got {month}")
        if most_active_users < 1:
            raise ConfigError(f"source.most_active_users must be at least 1, got {most_active_users}")
        self.month = month
        self.most_active_users = most_active_users
        self.least_item_rows = least_item_rows

    def clicks(self, root: Path) -> pl.DataFrame:
        """Read the file, and choose the rows to keep."""
        columns = [
            meaning.identifier("user", "user", "user_id"),
            meaning.identifier("item", "item", "item_id"),
            meaning.identifier("category", "category", "cat_id"),
            Column("time", "day", "time_stamp", _day, "a day of 2014 written as month and day, as 1031"),
            Column("action", "action", "action_type", _action, "an action from 0 to 3"),
        ]
        in_month = pl.from_epoch("time", time_unit="s").dt.month() == self.month
        rows = read_file(root / FILE, columns, keep=in_month & (pl.col("action") == CLICK)).drop("action")
        users = rows.group_by("user", maintain_order=True).len().sort("len", descending=True, maintain_order=True)
        rows = rows.join(users.head(self.most_active_users), on="user", how="semi", maintain_order="left")
        rows = rows.filter(pl.len().over("item") >= self.least_item_rows)
        if rows.is_empty():
            raise DataError(
                f"{root / FILE} has no click of month {self.month} on an item with {self.least_item_rows} rows: choose "
                "another month, or lower source.least_item_rows"
            )
        return rows


def _day(text: pl.Expr) -> pl.Expr:
    return ("2014" + text.str.zfill(4)).str.to_date("%Y%m%d", strict=False).dt.epoch("s")


def _action(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Int8, strict=False)
    return pl.when(value.is_between(0, 3)).then(value)
