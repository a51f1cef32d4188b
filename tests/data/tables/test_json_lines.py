"""JSON lines: keys are columns, values are the texts that a CSV file would have, and a broken line is one bad row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from asmg_pl.data.tables.json_lines import JsonLinesFile
from asmg_pl.errors import DataError


def write(path: Path, *lines: str, name: str = "rows.jsonl") -> Path:
    (path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path / name


def rows(path: Path, *columns: str, size: int = 1 << 25) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for records, _ in JsonLinesFile(path).read({f"f{n}": column for n, column in enumerate(columns)}, size):
        found += records.select("line", *(f"f{n}" for n in range(len(columns))), "fault").collect().rows()
    return found


def test_keys_are_columns_also_those_within_objects_and_those_that_come_later(tmp_path: Path) -> None:
    path = write(tmp_path, '{"user": {"id": 7, "at": null}, "item": "x"}', '{"price": 2.5, "user": {"at": "home"}}')
    assert JsonLinesFile(path).columns == ["user.id", "item", "price", "user.at"]
    found = [(1, "7", "x", None, None, None), (2, None, None, "2.5", "home", None)]
    assert rows(path, "user.id", "item", "price", "user.at") == found


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"01"', "01"),
        ("12", "12"),
        ("5.0", "5"),
        ("0.25", "0.25"),
        ("-3", "-3"),
        ("1588687728923", "1588687728923"),
        ("18446744073709551615", "18446744073709551615"),
        ("true", "true"),
        ("null", None),
        ('""', ""),
        (r'"a\"b\\\n\u00e9\ud83d\ude00"', 'a"b\\\né😀'),
        ('["a b", 2]', '["a b", 2]'),
    ],
)
def test_values_are_read_as_text(tmp_path: Path, written: str, text: str | None) -> None:
    sound, broken = f'{{"a": {written}, "b": 1}}', '{"a": '
    assert rows(write(tmp_path, sound), "a") == [(1, text, None)]
    # The same text, whether or not a line beside it is malformed.
    assert rows(write(tmp_path, broken, sound, broken), "a")[1] == (2, text, None)


@pytest.mark.parametrize("size", [200, 1 << 25])
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"a": 1', "Expecting ',' delimiter"),
        ('{"a": 1}{"a": 2}', "Extra data"),
        ("[1]", ""),
        ("7", ""),
        ("a,b", "Expecting value"),
    ],
)
def test_a_malformed_line_is_found_and_the_others_are_read(tmp_path: Path, line: str, why: str, size: int) -> None:
    lines = [json.dumps({"a": n, "deep": {"er": n}}) for n in range(100)]
    path = write(tmp_path, *lines[:60], line, "", "  ", *lines[60:])
    found = rows(path, "a", "deep.er", size=size)
    assert [row[1] for row in found if row[3] is None] == [str(n) for n in range(100)]
    ((number, *values, fault),) = [row for row in found if row[3] is not None]
    assert (number, values) == (61, [None, None])
    assert fault.startswith(f"the row is not a JSON object of these columns: {why}")
    assert found[-1][0] == 103


def test_a_row_of_another_shape_after_the_first_ones_is_malformed(tmp_path: Path) -> None:
    filler = "x" * 50_000
    lines = [f'{{"a": {{"b": {n}}}, "text": "{filler}"}}' for n in range(100)]
    found = rows(write(tmp_path, *lines, '{"a": 7}', '{"text": ""}'), "a.b")
    assert found[:100] == [(n + 1, str(n), None) for n in range(100)]
    assert found[100][2].startswith("the row is not a JSON object of these columns: unexpected value")
    assert found[101] == (102, None, None)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_compressed_lines_are_read(tmp_path: Path, pack: Any) -> None:
    path = write(tmp_path, '\ufeff{"a": 1}\r', '{"a": 2}\r')
    path.write_bytes(pack(path.read_bytes()))
    assert rows(path, "a") == [(1, "1", None), (2, "2", None)]


def test_what_is_an_object_in_some_rows_alone_is_one_column(tmp_path: Path) -> None:
    path = write(tmp_path, '{"a": {"b": 1}}', '{"a": "x"}')
    assert JsonLinesFile(path).columns == ["a"]
    assert rows(path, "a") == [(1, '{"b": 1}', None), (2, "x", None)]


def test_a_key_with_a_dot_is_one_key(tmp_path: Path) -> None:
    assert rows(write(tmp_path, '{"user.id": 3}'), "user.id") == [(1, "3", None)]


@pytest.mark.parametrize("content", ["[1, 2]", '[\n  {"a": 1},\n  {"a": 2}\n]', '{\n  "a": 1\n}', "a,b\n1,2"])
def test_a_file_without_objects_in_its_lines_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"rows.jsonl has no JSON object in each line. Write one per line"):
        JsonLinesFile(write(tmp_path, content))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    with pytest.raises(DataError, match="is empty"):
        JsonLinesFile(tmp_path / "rows.jsonl")
