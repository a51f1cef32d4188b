"""Strict reading: sound files in every dress, and errors that lead to the line."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from asmg_pl.data.sources.published import read_ratings, read_titles
from asmg_pl.errors import DataError

NAMES = ("userId", "movieId", "rating", "timestamp")
HEADER = ",".join(NAMES)
SOUND = "7,31,2.5,1260759144\n7,1029,4,1260759179\n"
ROWS = [(7, 31, 2.5, 1260759144), (7, 1029, 4.0, 1260759179)]


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path) -> pl.DataFrame:
    return read_ratings(path, (0.5, 5), NAMES)


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


def write_older(folder: Path, content: str) -> Path:
    path = folder / "ratings.dat"
    path.write_text(content)
    return path


def test_a_file_without_header_keeps_its_first_row(tmp_path: Path) -> None:
    path = write_older(tmp_path, "\ufeff" + SOUND.replace(",", "::"))
    assert read_ratings(path, (0.5, 5)).rows() == ROWS


def test_zeros_before_an_id_do_not_matter(tmp_path: Path) -> None:
    path = write_older(tmp_path, "1::0054890::10::1381945744\n")
    assert read_ratings(path, (0, 10)).rows() == [(1, 54890, 10.0, 1381945744)]


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    path = write(tmp_path, "timestamp,movieId,comment,userId,rating\n1260759144,31,good,7,2.5\n")
    assert read(path).rows() == ROWS[:1]


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
        ("1,31,4", "3 fields instead of 4"),
        ("1,31,4,1260759144,", "5 fields instead of 4"),
        ("1,31,4,1260759144,5,6", "6 fields instead of 4"),
        ("1;31;4;1260759144", "1 field instead of 4"),
        ("1,31,4,1260759144\x00", "the row has NUL bytes"),
    ],
)
def test_a_malformed_row_is_named_with_its_line_and_the_reason(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path, f"{HEADER}\n\n{SOUND}{row}\n{SOUND}")
    mend, place = error(path).split("\n")
    assert mend == "1 malformed row: mend it, or fetch the file again"
    assert place.startswith(f"{path}:5: {reason}")
    assert place.endswith(f"(row: {row!r})")


def test_the_first_malformed_rows_are_named_and_the_others_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND}" + "1,31,x,1260759144\n" * 8 + SOUND)
    first, *places, more = error(path).split("\n")
    assert first == "8 malformed rows: mend them, or fetch the file again"
    reason = "rating 'x' is not a number between 0.5 and 5 (row: '1,31,x,1260759144')"
    assert places == [f"{path}:{line}: {reason}" for line in range(4, 9)]
    assert more == "… and 3 more"


def test_a_long_row_is_cut_in_the_message(tmp_path: Path) -> None:
    assert len(error(write(tmp_path, f"{HEADER}\n1,31,{'9' * 10_000},1260759144\n"))) < 500 + len(str(tmp_path))


def test_lines_are_counted_from_1_without_a_header(tmp_path: Path) -> None:
    path = write_older(tmp_path, f"{HEADER}\n{SOUND}".replace(",", "::"))
    with pytest.raises(DataError, match=r"ratings\.dat:1: user 'userId' is not"):
        read_ratings(path, (0.5, 5))


def test_the_first_line_of_a_file_without_header_may_be_the_malformed_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.dat:1: 1 field instead of 4 \(row: '7,31,2\.5,1260759144'\)"):
        read_ratings(write_older(tmp_path, SOUND), (0.5, 5))


def test_lines_are_counted_right_far_into_a_large_file(tmp_path: Path) -> None:
    rows = ["1,31,4,1260759144"] * 300_000
    rows[250_000] = "1,31,9,1260759144"
    assert ":250002: rating '9' is not" in error(write(tmp_path, "\n".join([HEADER, *rows])))


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("userId,movieId,rating", "there is no column 'timestamp'"),
        ("userId,movieId,rating,rating,timestamp", "column 'rating' stands in the header 2 times"),
        ("1,31,2.5,1260759144", "it has no header, its first line is '1', '31', '2.5', '1260759144': fetch"),
        ("", "it has no header, its first line is '7', '31', '2.5', '1260759144': fetch the file again"),
        ("x" * 1000, "there is no column 'userId'"),
    ],
)
def test_another_header_is_refused(tmp_path: Path, first: str, reason: str) -> None:
    path = write(tmp_path, f"{first}\n{SOUND}")
    assert error(path).startswith(f"{path}: {reason}")
    assert len(error(path)) < 1000 + 5 * len(str(path))


def test_a_missing_file_is_named_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    assert f"no file {path}: " in error(path)
    assert "--data.root FOLDER" in error(path)


@pytest.mark.parametrize("content", ["", HEADER, f"{HEADER}\n\n\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    assert re.search("is empty|has no rows", error(write(tmp_path, content)))


def test_an_empty_file_without_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_ratings(write_older(tmp_path, "\n"), (0.5, 5))


def test_a_last_line_that_looks_cut_off_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND * 2}7,31,2.5,12607")
    assert f"{path}:6: the file ends here, maybe within this row" in error(path)


def test_a_byte_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND}".encode() + b"1,31,4\xff,1260759144\n")
    assert error(path) == f"{path}:4: byte 0xff is not UTF-8: convert the file to UTF-8"


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{SOUND}".encode("utf-16"))
    assert error(path).startswith(f"{path}:1: byte 0xff is not UTF-8")


def titles(folder: Path, content: str | bytes) -> Path:
    path = folder / "movies.dat"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_categories_are_split_and_may_be_none(tmp_path: Path) -> None:
    assert read_titles(titles(tmp_path, '3::B::b|a\n007::A"::\n')).rows() == [(3, ["b", "a"]), (7, [])]


def test_a_title_may_have_the_separator_of_the_fields_in_it(tmp_path: Path) -> None:
    assert read_titles(titles(tmp_path, "3::B :: b::c::a|d\n")).rows() == [(3, ["a", "d"])]


def test_titles_may_be_in_another_encoding(tmp_path: Path) -> None:
    path = titles(tmp_path, "3::Amélie::a\n4::Ürün::\u00e9\n".encode("latin-1"))
    assert read_titles(path, "latin-1").rows() == [(3, ["a"]), (4, ["é"])]
    with pytest.raises(DataError, match=r"movies\.dat:1: byte 0xe9 is not UTF-8"):
        read_titles(path)


@pytest.mark.parametrize("row", ["x::A::a", "9223372036854775808::A::a", "4::A", "4"])
def test_a_malformed_item_is_named_with_its_line_and_the_form(tmp_path: Path, row: str) -> None:
    path = titles(tmp_path, f"3::A::a\n{row}\n4::A::b\n")
    with pytest.raises(DataError) as caught:
        read_titles(path)
    place = str(caught.value).split("\n")[1]
    assert place == f"{path}:2: the row is not of the form 'movie::title::genre|genre' (row: {row!r})"
