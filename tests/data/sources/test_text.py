"""Strict reading: sound files in every dress, and errors that lead to the line."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from asmg_pl.data.sources.text import read_categories, read_ratings
from asmg_pl.errors import DataError

HEADER = "userId,movieId,rating,timestamp"
SOUND = "7,31,2.5,1260759144\n7,1029,4,1260759179\n"
ROWS = [(7, 31, 2.5, 1260759144), (7, 1029, 4.0, 1260759179)]


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, header: str | None = HEADER) -> pl.DataFrame:
    return read_ratings(path, ",", (0.5, 5), header)


def error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def test_rows_come_in_the_order_of_the_file_with_fixed_types(tmp_path: Path) -> None:
    ratings = read(write(tmp_path, f"{HEADER}\n{SOUND}"))
    assert ratings.rows() == ROWS
    assert ratings.schema == {"user": pl.Int64, "item": pl.Int64, "rating": pl.Float64, "time": pl.Int64}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{HEADER}\n{SOUND}".rstrip(), id="no line end at the end"),
        pytest.param(f"{HEADER}\n{SOUND}\n\n", id="blank lines at the end"),
        pytest.param(f"{HEADER}\n\n{SOUND}", id="a blank line within"),
        pytest.param(f"{HEADER}\n{SOUND}\n".replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(f"\ufeff{HEADER}\n{SOUND}", id="byte-order mark"),
    ],
)
def test_dress_does_not_matter(tmp_path: Path, content: str) -> None:
    assert read(write(tmp_path, content)).rows() == ROWS


def test_a_file_without_header_keeps_its_first_row(tmp_path: Path) -> None:
    assert read(write(tmp_path, f"\ufeff{SOUND}"), header=None).rows() == ROWS


def test_a_separator_may_have_several_characters(tmp_path: Path) -> None:
    path = write(tmp_path, "1::0054890::10::1381945744\n")
    assert read_ratings(path, "::", (0, 10)).rows() == [(1, 54890, 10.0, 1381945744)]


def test_a_path_is_not_a_pattern_of_paths(tmp_path: Path) -> None:
    folder = tmp_path / "[a]*"
    folder.mkdir()
    assert read(write(folder, f"{HEADER}\n{SOUND}")).rows() == ROWS


@pytest.mark.parametrize("text", ["0.5", "5", "5.0"])
def test_the_ends_of_the_rating_range_belong_to_it(tmp_path: Path, text: str) -> None:
    assert read(write(tmp_path, f"{HEADER}\n1,1,{text},1\n"))["rating"].item() == float(text)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,31,x,1260759144", "rating 'x' is not a number between 0.5 and 5"),
        ("1,31,,1260759144", "rating '' is not a number between 0.5 and 5"),
        ("1,31,0.4,1260759144", "rating '0.4' is not"),
        ("1,31,5.5,1260759144", "rating '5.5' is not"),
        ("1,31,nan,1260759144", "rating 'nan' is not"),
        ("1,31,inf,1260759144", "rating 'inf' is not"),
        ("a,31,4,1260759144", "user 'a' is not a whole number of at least 0"),
        ("-1,31,4,1260759144", "user '-1' is not"),
        (",31,4,1260759144", "user '' is not"),
        ("1,3.5,4,1260759144", "item '3.5' is not a whole number of at least 0"),
        ("1,9223372036854775808,4,1260759144", "item '9223372036854775808' is not"),
        ("1, 31,4,1260759144", "item ' 31' is not"),
        ("1,31,4,0", "time '0' is not a whole number of seconds since 1970"),
        ("1,31,4,1260759144.5", "time '1260759144.5' is not"),
        ("1,31,4,2009-12-14", "time '2009-12-14' is not"),
        ("1,31,4,1260759144000", "time '1260759144000' is not a whole number of seconds since 1970 (divide millisec"),
        ("1,31,4", "3 fields where ',' should separate user, item, rating, time"),
        ("1,31,4,1260759144,", "5 fields where ',' should separate"),
        ("1,31,4,1260759144,5,6", "6 fields where ',' should separate"),
        ("1;31;4;1260759144", "1 field where ',' should separate"),
        ("1,31,4,1260759144\x00", "time '1260759144\\x00' is not"),
    ],
)
def test_a_malformed_row_is_named_with_its_line_and_the_reason(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path, f"{HEADER}\n\n{SOUND}{row}\n{SOUND}")
    assert error(path).startswith(f"{path}:5: {reason}")
    assert error(path).endswith(f"(row: {row!r})")


@pytest.mark.parametrize(("count", "ending"), [(2, "1 more row is malformed"), (3, "2 more rows are malformed")])
def test_the_first_malformed_row_is_named_and_the_others_are_counted(tmp_path: Path, count: int, ending: str) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND}" + "1,31,x,1260759144\n" * count + SOUND)
    expected = f"{path}:4: rating 'x' is not a number between 0.5 and 5 (row: '1,31,x,1260759144'); {ending}"
    assert error(path) == expected


def test_a_long_row_is_cut_in_the_message(tmp_path: Path) -> None:
    assert len(error(write(tmp_path, f"{HEADER}\n1,31,{'9' * 10_000},1260759144\n"))) < 500 + len(str(tmp_path))


def test_lines_are_counted_from_1_without_a_header(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.csv:1: user 'userId' is not"):
        read(write(tmp_path, f"{HEADER}\n{SOUND}"), header=None)


def test_lines_are_counted_right_far_into_a_large_file(tmp_path: Path) -> None:
    rows = ["1,31,4,1260759144"] * 300_000
    rows[250_000] = "1,31,9,1260759144"
    assert ":250002: rating '9' is not" in error(write(tmp_path, "\n".join([HEADER, *rows])))


@pytest.mark.parametrize("first", ["userId,movieId,rating", "1,31,2.5,1260759144", "", "x" * 1000])
def test_another_header_is_refused(tmp_path: Path, first: str) -> None:
    path = write(tmp_path, f"{first}\n{SOUND}")
    assert error(path).startswith(f"{path}:1: '{first[:100]}")
    assert error(path).endswith(f"is not the header {HEADER!r}")


def test_a_missing_file_is_named_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    assert f"no file {path}: " in error(path)
    assert "--data.root FOLDER" in error(path)


@pytest.mark.parametrize("content", ["", HEADER, f"{HEADER}\n\n\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    assert re.search("is empty|has no rows", error(write(tmp_path, content)))


def test_an_empty_file_without_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        read(write(tmp_path, "\n"), header=None)


def test_a_byte_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND}".encode() + b"1,31,4\xff,1260759144\n")
    assert error(path) == f"{path}:4: byte 0xff is not UTF-8: convert the file to UTF-8"


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND}".encode("utf-16"))
    assert error(path).startswith(f"{path}:1: byte 0xff is not UTF-8")


def test_categories_are_split_and_may_be_none(tmp_path: Path) -> None:
    path = write(tmp_path, "3;b|a\n007;\n")
    table = read_categories(path, "(?<item>[0-9]+);(?<categories>.*)", "item;category|category")
    assert table.rows() == [(3, ["b", "a"]), (7, [])]


@pytest.mark.parametrize("row", ["x;a", "9223372036854775808;a", "4"])
def test_a_malformed_item_is_named_with_its_line_and_the_form(tmp_path: Path, row: str) -> None:
    path = write(tmp_path, f"3;a\n{row}\n4;b\n")
    with pytest.raises(DataError) as caught:
        read_categories(path, "(?<item>[0-9]+);(?<categories>.*)", "item;category|category")
    assert str(caught.value) == f"{path}:2: the row is not of the form 'item;category|category' (row: {row!r})"
