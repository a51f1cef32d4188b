"""Delimited text: every record in its place, and a fault that leaves its neighbours alone."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data.tables import text
from asmg_pl.data.tables.text import Block, Dialect, blocks
from asmg_pl.errors import DataError

COLUMNS = ["a", "b", "c"]
CSV = Dialect(",")


def rows(content: str, dialect: Dialect = CSV) -> list[tuple[int, str | None, str | None, str | None]]:
    """Line, and either the fault or two of the fields."""
    found = dialect.fields(Block(content.encode(), 1, 0), COLUMNS, {"first": "a", "last": "c"}).collect()
    return found.select("line", "fault", "first", "last").rows()


def written(path: Path, content: bytes, size: int, quote: str = '"') -> list[bytes]:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    found = list(blocks(path, quote, size))
    assert b"".join(block.content for block in found) == content
    assert sum(block.size for block in found) == path.stat().st_size
    line = 1
    for block in found:
        assert block.line == line
        line += block.content.count(b"\n")
    return [block.content for block in found]


def test_fields_without_quotes() -> None:
    assert rows("1,2,3\n4,,\r\n\nä,ö,ü") == [(1, None, "1", "3"), (2, None, "4", ""), (4, None, "ä", "ü")]


def test_fields_within_quotes_may_hold_anything() -> None:
    text = '1,"x,y","say ""hi"""\n"two\nlines\n\n",2,""\n3,4,5\n'
    assert rows(text) == [(1, None, "1", 'say "hi"'), (2, None, "two\nlines\n\n", ""), (6, None, "3", "5")]


def test_too_few_and_too_many_fields_are_a_fault() -> None:
    few, many = "2 fields instead of 3", "4 fields instead of 3"
    assert rows("1,2\n1,2,3,4\n1,2,3\n") == [(1, few, None, None), (2, many, None, None), (3, None, "1", "3")]
    assert rows('1,"2"\n1,"",3,4\n1,"2",3\n') == [(1, few, None, None), (2, many, None, None), (3, None, "1", "3")]


@pytest.mark.parametrize("stray", ['1,12" vinyl,3', '1,"open,3', '1,"x"y,3', '1,x"",3"'])
def test_a_stray_quote_spoils_its_own_row_only(stray: str) -> None:
    found = rows(f'0,"quoted",0\n{stray}\n5,6,7\n8,9,10\n')
    assert found[0] == (1, None, "0", "0")
    assert found[1][0] == 2
    assert found[1][1] is not None
    assert found[2:] == [(3, None, "5", "7"), (4, None, "8", "10")]


def test_quotes_mean_nothing_where_there_are_none() -> None:
    assert rows('1,"2,"3', Dialect(",", "")) == [(1, None, "1", '"3')]


def test_null_bytes_are_a_fault() -> None:
    assert rows("1,2,3\n1,\0,3\n") == [(1, None, "1", "3"), (2, "the row has NUL bytes", None, None)]


def test_a_delimiter_may_have_several_characters() -> None:
    assert rows("1::2::3\n1::2\n", Dialect("::", "")) == [
        (1, None, "1", "3"),
        (2, "2 fields instead of 3", None, None),
    ]


@pytest.mark.parametrize("delimiter", [",", "\t", "|", "^", ".", "\\", "]", "-"])
def test_a_delimiter_means_itself(delimiter: str) -> None:
    text = delimiter.join(['"a"', "b", f'"{delimiter}"'])
    assert rows(text, Dialect(delimiter)) == [(1, None, "a", delimiter)]


field = st.text(st.sampled_from('ab,"\n ü'), max_size=5)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(field, field, field), max_size=8))
def test_what_a_csv_writer_writes_is_read_as_it_was(table: list[tuple[str, str, str]]) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(table)
    found = rows(file.getvalue())
    assert [row[1:] for row in found] == [(None, first, last) for first, _, last in table]
    lines = [1]
    for row in table:
        lines.append(lines[-1] + 1 + sum(cell.count("\n") for cell in row))
    assert [row[0] for row in found] == lines[:-1]


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from('a,"\n'), max_size=60))
def test_no_line_is_lost_whatever_the_quotes(text: str) -> None:
    """Every line that is not blank is in a row, sound or not."""
    found = CSV.fields(Block(text.encode(), 1, 0), COLUMNS, {"first": "a"}).select("line", "text").collect()
    lines = text.split("\n")
    seen = [line for begin, record in found.rows() for line in range(begin, begin + record.count("\n") + 1)]
    assert len(set(seen)) == len(seen)
    assert {n for n, line in enumerate(lines, start=1) if line} <= set(seen)


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_blocks_end_where_records_end(tmp_path: Path, name: str) -> None:
    content = b'a,b\n1,2\n"x\ny",3\n\n4,5'
    for size in (9, 10, 12, 100):
        found = written(tmp_path / name, content, size)
        assert all(block.endswith(b"\n") for block in found[:-1])
        assert not any(block.count(b'"') % 2 for block in found)


def test_a_stray_quote_does_not_hold_up_the_file(tmp_path: Path) -> None:
    content = b'1,2\n3,"\n' + b"4,5\n" * 100
    assert max(map(len, written(tmp_path / "rows.csv", content, 40))) < 100


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_a_line_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, quote: str) -> None:
    monkeypatch.setattr(text, "LONGEST", 1000)
    (tmp_path / name).write_bytes(b"1,2\n" + b"x" * 999 + b"\n")
    written(tmp_path / name, b"1,2\n" + b"x" * 999 + b"\n3,4\n", 100, quote)
    content = b"1,2\n3,4\n" + b"x" * 100_000
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(DataError, match=r"rows\.csv(\.gz)?:3: the line is longer than 0 MiB: is this a table"):
        list(blocks(tmp_path / name, quote, 100))


def test_wide_tables_are_read_like_narrow_ones() -> None:
    columns = [f"c{number}" for number in range(1000)]
    sound = ",".join(map(str, range(1000)))
    found = CSV.fields(
        Block(f"{sound}\n{sound},1\n1,2\n{sound}\n".encode(), 1, 0), columns, {"first": "c0", "last": "c999"}
    ).collect()
    assert found.select("line", "fault", "first", "last").rows() == [
        (1, None, "0", "999"),
        (2, "1001 fields instead of 1000", None, None),
        (3, "2 fields instead of 1000", None, None),
        (4, None, "0", "999"),
    ]


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"\xef\xbb\xbfa,b\n")
    assert [block.content for block in blocks(tmp_path / "rows.csv", '"')] == [b"a,b\n"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "cut.csv.gz",
            gzip.compress(b"1,2,3\n" * 1000, mtime=0)[:-20],
            "cut.csv.gz cannot be unpacked, it is cut off or damaged",
        ),
        ("fake.csv.gz", b"1,2,3\n", "fake.csv.gz cannot be unpacked"),
        ("latin.csv", b"1,2,3\n\xe9,2,3\n", "latin.csv:2: byte 0xe9 is not UTF-8: convert the file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(words)):
        list(blocks(tmp_path / name, '"'))
