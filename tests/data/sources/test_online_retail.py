"""UCI Online Retail: the published sheet as CSV, and a plain table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from asmg_pl.convert import Settings, convert
from asmg_pl.data.sources import OnlineRetail, Stream
from asmg_pl.errors import DataError

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
TABLE = """CustomerID,StockCode,InvoiceDate,Quantity,UnitPrice,Country
17850,85123A,2010-12-01 08:26:00,6,2.55,United Kingdom
17850,71053,2010-12-01 08:26:00,6,3.39,United Kingdom
12680,71053,2010-12-01 08:27:00,1,3.39,France
17850,22138,2010-12-01 08:28:00,1,4.95,United Kingdom
"""


def sheet(path: Path, rows: list[str]) -> Path:
    (path / "Online Retail.csv").write_bytes("\n".join([HEADER, *rows, ""]).encode("latin-1"))
    return path


@pytest.mark.parametrize(
    ("early", "late"), [("12/1/2010 8:26", "12/1/2010 10:05"), ("2010-12-01 08:26:00", "2010-12-01 10:05:00")]
)
def test_rows_without_a_customer_cancellations_and_repeated_rows_are_left_out(
    tmp_path: Path, early: str, late: str
) -> None:
    rows = [
        f"536365,85123A,£1 HOLDER,6,{early},2.55,17850,United Kingdom",
        f"536365,85123A,£1 HOLDER,2,{early},2.55,17850.0,United Kingdom",
        f"536366,71053,LANTERN,6,{early},3.39,,United Kingdom",
        f"C536367,71053,LANTERN,-6,{late},3.39,17850,United Kingdom",
        f"536368,22138,CAKE,1,{late},4.95,12680,France",
    ]
    log = OnlineRetail(negatives=0).read(sheet(tmp_path, rows))
    begin = int(datetime(2010, 12, 1, tzinfo=UTC).timestamp())
    assert log.time.tolist() == [begin + 8 * 3600 + 26 * 60, begin + 10 * 3600 + 5 * 60]
    assert log.user.tolist() == log.item.tolist() == [0, 1]


def test_a_plain_table_gives_the_stream_that_convert_makes_of_it(tmp_path: Path) -> None:
    (tmp_path / "purchases.csv").write_text(TABLE)
    settings = Settings("CustomerID", "StockCode", "InvoiceDate", time_unit="iso", all_positive=True, negatives=1)
    convert([tmp_path / "purchases.csv"], tmp_path / "stream", settings)
    read, converted = OnlineRetail().read(tmp_path), Stream().read(tmp_path / "stream")
    for column in ("user", "item", "label", "time"):
        assert torch.equal(getattr(read, column), getattr(converted, column))


def test_a_workbook_other_files_and_malformed_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*Online Retail\.csv: give the folder"):
        OnlineRetail().read(tmp_path)
    (tmp_path / "Online Retail.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"is a workbook: save its sheet as CSV, as .*Online Retail\.csv"):
        OnlineRetail().read(tmp_path)
    with pytest.raises(DataError, match=r":2: time '1st of May' is not a time as in 2010-12-01 08:26 or 12/1/2010"):
        OnlineRetail().read(sheet(tmp_path, ["1,2,x,1,1st of May,1,3,France"]))
