"""Tables that grow by rows are, byte for byte, those that are written at once."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from asmg_pl.callbacks.growing_table import GrowingTable
from asmg_pl.errors import StorageError
from asmg_pl.system import files

ROWS: list[dict[str, Any]] = [
    {"period": 11, "diverged": None, "auc": math.nan, "why": 'a "word", or two'},
    {"period": 12, "diverged": None, "auc": 0.5, "why": None},
    {"period": 13, "diverged": "serving", "auc": 1, "why": "x"},
    {"period": 14, "diverged": None, "auc": 0.1},
    {"period": 15, "diverged": None, "auc": 1e-9, "why": "x", "regret": 0.25},
    {"period": 16, "diverged": None, "auc": 2.5, "why": "x", "regret": 3},
]


def grown(path: Path, rows: list[dict[str, Any]]) -> bytes:
    """The file after it has grown by one row at a time."""
    table = GrowingTable(path)
    for count in range(1, len(rows) + 1):
        table.add(rows[count - 1 : count], whole=lambda count=count: rows[:count])  # type: ignore[misc]
    return path.read_bytes()


@pytest.mark.parametrize("order", [ROWS, ROWS[::-1], ROWS[2:] + ROWS[:2]], ids=["", "backwards", "turned"])
def test_a_table_that_grows_is_the_whole_table(tmp_path: Path, order: list[dict[str, Any]]) -> None:
    pl.DataFrame(order, infer_schema_length=None).write_csv(tmp_path / "whole.csv")
    assert grown(tmp_path / "grown.csv", order) == (tmp_path / "whole.csv").read_bytes()


def test_rows_before_are_not_written_again(tmp_path: Path) -> None:
    table, rows = GrowingTable(tmp_path / "x.csv"), [{"period": period} for period in range(4)]
    table.add(rows[:1], whole=lambda: rows[:1])
    first = (tmp_path / "x.csv").stat().st_ino
    table.add(rows[1:], whole=lambda: pytest.fail("the file has the other rows"))
    assert (tmp_path / "x.csv").stat().st_ino == first
    assert (tmp_path / "x.csv").read_text() == "period\n0\n1\n2\n3\n"


@pytest.mark.parametrize("change", ["period\n0\n1\nhal", None])
def test_what_another_process_has_left_is_replaced(tmp_path: Path, change: str | None) -> None:
    path, rows = tmp_path / "x.csv", [{"period": period} for period in range(3)]
    for before in (0, 1):  # a new process, and one whose file was changed meanwhile
        path.unlink(missing_ok=True)
        table = GrowingTable(path)
        if before:
            table.add(rows[:2], whole=lambda: rows[:2])
        path.unlink(missing_ok=True)
        if change is not None:
            path.write_text(change)
        table.add(rows[2:], whole=lambda: rows)
        assert path.read_text() == "period\n0\n1\n2\n"


def test_after_an_error_the_file_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, rows = GrowingTable(tmp_path / "x.csv"), [{"period": 100}, {"period": 200}]
    table.add(rows[:1], whole=lambda: rows[:1])
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(files.__dict__["os"], "write", lambda file, content: write(file, content[:2]))
        with pytest.raises(StorageError, match=r"x\.csv could not be written \(No space left on device\)"):
            table.add(rows[1:], whole=lambda: rows)
    assert (tmp_path / "x.csv").read_text() == "period\n100\n"
    table.add(rows[1:], whole=lambda: rows)
    assert (tmp_path / "x.csv").read_text() == "period\n100\n200\n"
