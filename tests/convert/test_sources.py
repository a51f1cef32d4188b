"""A stream knows the files that its rows came from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from asmg_pl.convert import Settings, convert
from asmg_pl.convert.sources import SOURCES, SourceFile, sources_of, taken
from asmg_pl.errors import DataError

SETTINGS = Settings(user="user", item="item", time="time", all_positive=True, any_time=True)


def table(path: Path, begin: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("user,item,time\n" + "".join(f"{n % 3},{n % 5},{n}\n" for n in range(begin, begin + 9)))
    return path


def test_the_files_of_each_part_are_kept_with_its_rows(tmp_path: Path) -> None:
    convert([table(tmp_path / "1.csv", 0)], tmp_path / "s", SETTINGS)
    convert([table(tmp_path / "more" / "2.csv", 10), tmp_path / "more"][1:], tmp_path / "s", SETTINGS, append=True)
    assert list(taken(tmp_path / "s").values()) == ["1.csv", "2.csv"]
    kept = json.loads((tmp_path / "s" / "part-00001" / SOURCES).read_text())
    assert kept[0]["bytes"] == (tmp_path / "more" / "2.csv").stat().st_size


def test_a_file_is_the_same_under_any_name_but_not_in_another_partition(tmp_path: Path) -> None:
    paths = ["a.csv", "b.csv", "day=1/a.csv", "day=2/a.csv", "other/day=2/b.csv"]
    first, second, one, two, again = (source.digest for source in sources_of([table(tmp_path / p, 0) for p in paths]))
    assert first == second
    assert two == again
    assert len({first, one, two}) == 3


def test_a_file_that_changes_while_it_is_read_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "1.csv", 0)
    read = SourceFile.read

    def read_before_more_is_written(of: Path) -> SourceFile:
        found = read(of)
        with of.open("a") as file:
            file.write("7,7,100\n")
        os.utime(of, (1, 1))
        return found

    monkeypatch.setattr(SourceFile, "read", read_before_more_is_written)
    with pytest.raises(DataError, match=r"1\.csv was changed while it was read: nothing was written"):
        convert([path], tmp_path / "s", SETTINGS)
    assert not (tmp_path / "s").exists()
