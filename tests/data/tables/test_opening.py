"""Which files are converted: each once, in folders within folders too, and none is left out without a word."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from asmg_pl.data.tables.opening import open_tables
from asmg_pl.errors import DataError

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.compress}
TABLE = "user,item,time\nu1,7,1600000000\n"


def write(path: Path, content: str | bytes = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content if isinstance(content, bytes) else content.encode()
    if path.suffix in (".parquet", ".pq"):
        pl.read_csv(content).write_parquet(path)
    else:
        path.write_bytes(PACK.get(path.suffix, bytes)(content))
    return path


def opened(*paths: Path, delimiter: str | None = None) -> list[Path]:
    return [table.path for table in open_tables(paths, delimiter, '"')]


def refused(*paths: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_tables(paths, None, '"')
    return str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("log.csv", "log.csv.gz"),
        ("log.csv", "log.csv.zst"),
        ("log.csv", "log.jsonl"),
        ("log.csv", "log.parquet"),
        ("log.csv.gz", "log.pq"),
        ("log.tsv", "log.txt"),
        ("log.2020.csv", "log.2020.csv.gz"),
        ("log.CSV", "log.parquet"),
    ],
)
def test_a_table_in_two_formats_in_one_folder_is_refused(tmp_path: Path, one: str, other: str) -> None:
    first, second = sorted([write(tmp_path / "in" / one), write(tmp_path / "in" / other)])
    message = f"{first} and {second} seem to be one file in two formats"
    assert message in refused(tmp_path / "in")
    assert message in refused(first, second)


def test_parts_of_other_names_or_folders_are_no_twins(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / name) for name in ("a/part-0.csv", "a/part-1.csv.gz", "b/part-0.csv", "log.1.csv", "log.2.csv")
    ]
    assert opened(tmp_path) == sorted(paths)
    assert opened(write(tmp_path / "u.base"), write(tmp_path / "u.test"), delimiter=",")


def test_the_same_file_by_another_path_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "log.csv")
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "folder").symlink_to(path.parent)
    assert "link.csv is given twice" in refused(path, tmp_path / "link.csv")
    assert "is given twice" in refused(path, tmp_path / "folder")


def test_nested_folders_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    paths = [write(tmp_path / name) for name in ("2020/10/24.csv", "2020/11/01.parquet", "top.csv")]
    for name in ("_delta_log/0.csv", ".hidden/1.csv", "_SUCCESS", ".part.csv.crc", "2020/_tmp/3.csv"):
        write(tmp_path / name)
    assert opened(tmp_path) == paths


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_keys_of_partitions_are_columns(tmp_path: Path, ending: str) -> None:
    for day, zone in (("2020-10-24", "Europe%2FOslo"), ("2020-10-25", "__HIVE_DEFAULT_PARTITION__")):
        write(tmp_path / f"date={day}" / f"zone={zone}" / f"part-0{ending}")
    found = []
    for table in open_tables([tmp_path], None, '"'):
        assert table.columns == ["user", "item", "time", "date", "zone"]
        for records, _ in table.read({"user": "user", "day": "date", "where": "zone"}):
            found += records.select("line", "user", "day", "where").collect().rows()
    line = 1 if ending == ".parquet" else 2
    assert found == [(line, "u1", "2020-10-24", "Europe/Oslo"), (line, "u1", "2020-10-25", None)]


def test_a_column_of_the_file_counts_more_than_a_partition(tmp_path: Path) -> None:
    write(tmp_path / "time=5" / "part-0.csv")
    (table,) = open_tables([tmp_path], None, '"')
    ((records, _),) = table.read({"time": "time"})
    assert records.collect()["time"].to_list() == ["1600000000"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("log.zip", "not in .zip: unpack it, or compress it with gzip (.gz) or zstd (.zst)"),
        ("log.csv.bz2", "not in .bz2: unpack it"),
        ("log.tar.gz", "not in .tar: unpack it"),
        ("log.feather", "not in .feather: convert it to CSV, JSON lines or Parquet first"),
        (
            "log.json",
            "log.json has no JSON object in each line. Write one per line, as jq -c '.[]' does with a list of objects",
        ),
        ("log.json.gz", "has no JSON object in each line"),
        ("log.jsonl", "has no JSON object in each line"),
        ("log.xlsx", "not in .xlsx: convert it"),
        ("log.XLSX", "not in .xlsx: convert it"),
        ("log.dat", "not in .dat; if it is text, give --delimiter"),
        ("log", "not in nothing; if it is text, give --delimiter"),
    ],
)
def test_a_file_of_another_kind_says_what_to_do(tmp_path: Path, name: str, words: str) -> None:
    assert words in refused(write(tmp_path / name))


def test_files_that_cannot_be_read_are_not_left_out_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "part-0.csv")
    odd = write(tmp_path / "part-1.csv.bz2")
    assert f"{odd}: the name of an input file ends in" in refused(tmp_path)
    write(tmp_path / "other" / "part-00000")
    assert "has no file whose name ends in" in refused(tmp_path / "other")
    assert "only part-00000: if these are text, give them as files, with --delimiter" in refused(tmp_path / "other")


def test_a_file_that_is_not_what_its_name_says_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip.csv", "w") as archive:
        archive.writestr("log.csv", TABLE)
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "parquet.csv")
    (tmp_path / "bz2.csv").write_bytes(bz2.compress(TABLE.encode()))
    (tmp_path / "xz.csv").write_bytes(lzma.compress(TABLE.encode()))
    (tmp_path / "page.csv").write_text("<!DOCTYPE html>\n<html>")
    (tmp_path / "json.csv").write_text('{"user": "u1", "item": 7}\n')
    for name, words in {
        "zip.csv": "is a zip archive or an Excel file: unpack it",
        "parquet.csv": "is Parquet: let its name end in .parquet",
        "bz2.csv": "is compressed with bzip2: unpack it",
        "xz.csv": "is compressed with xz: unpack it",
        "page.csv": "is a web page: fetch the file again",
        "json.csv": "is JSON: write one object per line, and let its name end in .jsonl",
    }.items():
        assert words in refused(tmp_path / name)


def test_names_for_a_file_without_header(tmp_path: Path) -> None:
    path = write(tmp_path / "u.csv", "u1,7,1600000000\nu2,8,1600000001\n")
    (table,) = open_tables([path], None, '"', ["user", "item", "time"])
    ((records, _),) = table.read({"user": "user", "time": "time"})
    assert records.select("line", "user", "time").collect().rows() == [(1, "u1", "1600000000"), (2, "u2", "1600000001")]
    with pytest.raises(DataError, match="its first line has 3 fields, but --columns names 2: give a name for each"):
        open_tables([path], None, '"', ["user", "item"])
    with pytest.raises(DataError, match="its first line has the names of --columns: leave --columns out"):
        open_tables([write(tmp_path / "named.csv")], None, '"', ["user", "item", "time"])
    for other in (write(tmp_path / "u.parquet"), write(tmp_path / "u.jsonl", '{"user": 1}')):
        with pytest.raises(DataError, match="--columns is for text files without a header, this file has names"):
            open_tables([other], None, '"', ["user", "item", "time"])
