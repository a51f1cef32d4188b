"""UCI Online Retail: a year of purchases in an online shop for gifts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.sources.clicks import ClickSource
from asmg_pl.data.sources.published import read_file
from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables import times
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.spelling import Spelling
from asmg_pl.errors import DataError

ORIGINAL, TABLE = "Online Retail.csv", "purchases.csv.gz"
WORKBOOK = "Online Retail.xlsx"


class OnlineRetail(ClickSource):
    """Purchases of customers from 2010-12-01 to 2011-12-09, a row for each customer, item and minute.

    Reads ``Online Retail.csv``, the sheet of the published workbook saved as CSV, or else a table ``purchases.csv`` (or
    ``.csv.gz``) with the same columns. Rows without a customer and cancellations (an ``InvoiceNo`` that begins with C)
    are left out.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(OnlineRetail(seed=1), root="data/online-retail", batch_size=64)
        >>> data.source.seed
        1
    """

    def clicks(self, root: Path) -> pl.DataFrame:
        """Read the purchases."""
        columns = [
            # A customer is missing in some rows; saved from a workbook, the number may be written as 17850.0.
            meaning.text("user", "customer", "CustomerID", Spelling("unified")),
            meaning.identifier("item", "item", "StockCode"),
            _minute("InvoiceDate"),
        ]
        if (root / TABLE).is_file() or (root / TABLE).with_suffix("").is_file():
            rows = read_file(root / TABLE, columns)
        elif (root / WORKBOOK).is_file() and not (root / ORIGINAL).is_file():
            raise DataError(f"{root / WORKBOOK} is a workbook: save its sheet as CSV, as {root / ORIGINAL}")
        else:
            invoice = meaning.text("invoice", "invoice", "InvoiceNo")
            rows = read_file(root / ORIGINAL, [*columns, invoice], encoding="latin-1")
            rows = rows.filter(~pl.col("invoice").str.starts_with("C")).drop("invoice")
        return rows.filter(pl.col("user") != "").unique(maintain_order=True)


def _minute(name: str) -> Column:
    """A column of times to the minute, in seconds since 1970: of ISO 8601, or month/day/year as in 12/1/2010 8:26."""
    iso = times.time(name, "iso")

    def parse(text: pl.Expr) -> pl.Expr:
        american = text.str.to_datetime("%m/%d/%Y %H:%M", strict=False).dt.epoch("s")
        return pl.coalesce(iso.parse(text) // 1_000_000, american)

    return Column("time", "time", name, parse, "a time as in 2010-12-01 08:26 or 12/1/2010 8:26")
