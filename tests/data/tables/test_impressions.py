"""Impression lists: one row per shown item, in the forms in which lists are written, and no click is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from asmg_pl.data.tables.files import ParquetFile, TableFile, TextFile
from asmg_pl.data.tables.header import problems
from asmg_pl.data.tables.impressions import ImpressionsFile
from asmg_pl.data.tables.json_lines import JsonLinesFile
from asmg_pl.data.tables.text import Dialect

WANTED = {"user": "user", "item": "shown.item", "label": "shown.clicked"}


def rows(table: TableFile, size: int = 1 << 25) -> list[tuple[Any, ...]]:
    return [row for records, _ in table.read(WANTED, size) for row in records.select("line", *WANTED).collect().rows()]


def faults(table: TableFile) -> list[tuple[int, str]]:
    read = [records.filter(pl.col("fault").is_not_null()).collect() for records, _ in table.read(WANTED)]
    bad = pl.concat(read)
    assert bad.select(*WANTED).null_count().row(0) == (len(bad),) * 3
    return list(zip(bad["line"].to_list(), bad["fault"].to_list(), strict=True))


def flagged(path: Path, *lists: str) -> ImpressionsFile:
    (path / "rows.tsv").write_text("user\tshown\n" + "".join(f"u{n}\t{one}\n" for n, one in enumerate(lists)))
    return ImpressionsFile(TextFile(path / "rows.tsv", Dialect("\t")), "shown")


def test_items_with_flags_are_rows_of_the_line(tmp_path: Path) -> None:
    table = flagged(tmp_path, "N1-0 N2-1 N-3-0", "N2-1")
    expected = [(2, "u0", "N1", "0"), (2, "u0", "N2", "1"), (2, "u0", "N-3", "0"), (3, "u1", "N2", "1")]
    assert table.columns == ["user", "shown", "shown.item", "shown.clicked"]
    assert rows(table) == rows(table, 10) == expected


def test_a_line_that_is_not_such_a_list_is_malformed_once(tmp_path: Path) -> None:
    table = flagged(tmp_path, "N1-0 N2 N3", "", "N1-1", "N1-1 'N2-0", "N1-2")
    assert faults(table) == [
        (2, "shown item 'N2' has no flag -0 or -1: name the column of clicked items with --clicked"),
        (3, "no item was shown"),
        (5, "the shown items are not written as a list"),
        (6, "shown item 'N1-2' has no flag -0 or -1: name the column of clicked items with --clicked"),
    ]


SHOWN: list[list[Any]] = [[11, 12, 13], [14], [12, 11]]
CLICKED: list[list[Any]] = [[12], [], [12, 11]]
EXPECTED = [
    ("u0", "11", "0"),
    ("u0", "12", "1"),
    ("u0", "13", "0"),
    ("u1", "14", "0"),
    ("u2", "12", "1"),
    ("u2", "11", "1"),
]


@pytest.mark.parametrize("between", [",", " ", ", ", "json"])
def test_two_lists_in_text(tmp_path: Path, between: str) -> None:
    def of(items: list[Any]) -> str:
        return json.dumps(items) if between == "json" else between.join(map(str, items))

    lines = [f"u{n}\t{of(one)}\t{of(other)}\n" for n, (one, other) in enumerate(zip(SHOWN, CLICKED, strict=True))]
    (tmp_path / "rows.tsv").write_text("user\tshown\tclicked\n" + "".join(lines))
    table = ImpressionsFile(TextFile(tmp_path / "rows.tsv", Dialect("\t")), "shown", "clicked")
    assert [row[1:] for row in rows(table)] == EXPECTED


def test_two_lists_in_parquet_and_json_lines(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["u0", "u1", "u2"], "shown": SHOWN, "clicked": CLICKED})
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_ndjson(tmp_path / "rows.jsonl")
    for file in (ParquetFile(tmp_path / "rows.parquet"), JsonLinesFile(tmp_path / "rows.jsonl")):
        table = ImpressionsFile(file, "shown", "clicked")
        assert [row[1:] for row in rows(table)] == EXPECTED
        assert problems(table.needs, table.columns, table.type_of) == []


def test_ids_with_blanks_and_quotes_stay_whole(tmp_path: Path) -> None:
    ids = ["a b", "c,d", 'e"f', "[i]", "it's", "ü"]
    frame = pl.DataFrame({"user": ["u"], "shown": [ids], "clicked": [ids[1:3]]})
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_ndjson(tmp_path / "rows.jsonl")
    for file in (ParquetFile(tmp_path / "rows.parquet"), JsonLinesFile(tmp_path / "rows.jsonl")):
        found = rows(ImpressionsFile(file, "shown", "clicked"))
        assert [(row[2], row[3]) for row in found] == [(id_, "1" if id_ in ids[1:3] else "0") for id_ in ids]


def test_a_backslash_is_kept_in_parquet_and_told_elsewhere(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["u"], "shown": [["g\\h", "i"]], "clicked": [["i"]]})
    frame.write_parquet(tmp_path / "rows.parquet")
    assert [row[2] for row in rows(ImpressionsFile(ParquetFile(tmp_path / "rows.parquet"), "shown", "clicked"))] == [
        "g\\h",
        "i",
    ]
    (tmp_path / "rows.tsv").write_text('user\tshown\tclicked\nu\t["\\u00fc"]\t[]\n')
    table = ImpressionsFile(TextFile(tmp_path / "rows.tsv", Dialect("\t", "")), "shown", "clicked")
    assert faults(table) == [(2, "the shown items are not written as a list")]


def test_a_click_on_what_was_not_shown_is_malformed(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["u", "v", "w"], "shown": [[1, 2], [3], None], "clicked": [[2, 7], [3], [1]]})
    frame.write_parquet(tmp_path / "rows.parquet")
    table = ImpressionsFile(ParquetFile(tmp_path / "rows.parquet"), "shown", "clicked")
    assert faults(table) == [(1, "item '7' was clicked but not shown"), (3, "no item was shown")]


def test_other_types_are_told_before_anything_is_read(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["u"], "shown": [{"a": 1}]}).write_parquet(tmp_path / "rows.parquet")
    table = ImpressionsFile(ParquetFile(tmp_path / "rows.parquet"), "shown", "clicks")
    first, second, _ = problems(table.needs, table.columns, table.type_of)
    assert "column 'shown' (--impressions) has values of type Struct" in first
    assert "there is no column 'clicks' (--clicked)" in second
