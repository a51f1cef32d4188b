"""Files of a folder are taken when they are whole, in their order, each once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asmg_pl.convert.sources import SourceFile
from asmg_pl.operations.arrivals import Arrivals, Order


def names(sources: list[SourceFile]) -> list[str]:
    return [source.path.name for source in sources]


def test_a_file_that_is_still_written_to_is_not_taken(tmp_path: Path) -> None:
    arrivals, path = Arrivals(tmp_path), tmp_path / "day.csv"
    for text in ("user", "user,item", "user,item\n1,2\n"):
        path.write_text(text)
        assert not arrivals.look({})
    assert names(arrivals.look({})) == ["day.csv"]


@pytest.mark.parametrize("name", [".day.csv", "day.csv.tmp", "day.csv.part", "_day.csv", ".tmp/day.csv", "notes.md"])
def test_a_file_whose_name_says_that_it_is_not_whole_is_passed_over(tmp_path: Path, name: str) -> None:
    arrivals, path = Arrivals(tmp_path), tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("user,item\n1,2\n")
    assert not arrivals.look({})
    assert not arrivals.look({})
    path.rename(tmp_path / "day.csv")
    assert not arrivals.look({})
    assert names(arrivals.look({})) == ["day.csv"]


def test_a_file_without_a_byte_has_only_been_made(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / "day.csv").touch()
    assert not arrivals.look({})
    assert not arrivals.look({})


@pytest.mark.parametrize(("order", "expected"), [("name", ["1.csv", "2.csv"]), ("time", ["2.csv", "1.csv"])])
def test_files_are_taken_by_name_or_by_time(tmp_path: Path, order: Order, expected: list[str]) -> None:
    for name, time in (("1.csv", 2_000_000), ("2.csv", 1_000_000)):
        (tmp_path / name).write_text(f"user,item\n{name},1\n")
        os.utime(tmp_path / name, (time, time))
    arrivals = Arrivals(tmp_path, order)
    arrivals.look({})
    assert names(arrivals.look({})) == expected


def test_a_file_that_is_still_written_to_holds_back_those_after_it(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    for name in ("1.csv", "2.csv", "3.csv"):
        (tmp_path / name).write_text(f"user,item\n{name},1\n")
    arrivals.look({})
    (tmp_path / "2.csv").write_text("user,item\n2.csv,1\n2.csv,2\n")
    assert names(arrivals.look({})) == ["1.csv"]
    assert names(arrivals.look({})) == ["1.csv", "2.csv", "3.csv"]


def test_a_file_is_known_again_by_its_content(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    for name in ("1.csv", "copy-of-1.csv", "2.csv"):
        (tmp_path / name).write_text(f"user,item\n{name[-5]},1\n")
    arrivals.look({})
    first = arrivals.look({})[0]
    assert names(arrivals.look({first.digest: "1.csv"})) == ["2.csv"]
