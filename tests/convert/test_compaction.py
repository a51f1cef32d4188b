"""Merged parts keep what conversions have written beside the rows; the next append and a walk go on with them."""

from __future__ import annotations

import json
import shutil
from functools import partial
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from asmg_pl import IncrementalUpdate, PeriodDataModule, walk
from asmg_pl.convert import Settings, compact, convert
from asmg_pl.convert.in_stream import LATE
from asmg_pl.convert.sources import taken
from asmg_pl.data import EqualRows
from asmg_pl.data.sources import Stream
from asmg_pl.data.stream import open_stream
from asmg_pl.data.stream.attached import attached
from asmg_pl.errors import ConfigError, DataError

SETTINGS = Settings(user="who", item="what", time="when", label="liked", any_time=True)


def day(folder: Path, number: int, late: bool = False) -> Path:
    """A file of a day's rows, with a malformed one, and maybe one of the day before."""
    times = [1000 * number + n for n in range(30)]
    rows = [f"u{time % 7},i{time % 5},{time % 3 % 2},{time}" for time in times]
    odd = [f"u1,i1,1,{1000 * number - 990}"] if late else []
    path = folder / f"day{number}.csv"
    path.write_text("\n".join(["who,what,liked,when", *rows, *odd, "u1,,1,5", ""]))
    return path


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    for number in range(4):
        settings = SETTINGS if number < 2 else Settings.of({"missing": ("?",)}, tmp_path / "s")
        path = day(tmp_path, number, late=number in (1, 3))
        convert([path], tmp_path / "s", settings, append=number > 0, max_bad_rows=1, late="next")
    return tmp_path / "s"


def test_settings_malformed_rows_files_and_late_rows_stay(stream: Path, tmp_path: Path) -> None:
    own = {name: (stream / name).read_bytes() for name in ("convert.json", "quarantine.csv")}
    files, kept = taken(stream), [pl.read_parquet(BytesIO(table)) for table in attached(stream, LATE)]
    assert len(kept) == 2
    done = compact(stream)
    assert (done.before, done.parts, done.rows) == (4, 1, 122)
    assert {name: (stream / name).read_bytes() for name in own} == own
    assert len(pl.read_csv(stream / "quarantine.csv")) == 4
    assert taken(stream) == files
    assert len(files) == 4
    (late,) = attached(stream, LATE)
    assert pl.read_parquet(BytesIO(late)).equals(pl.concat(kept))
    assert json.loads(attached(stream, "convert.json")[0])["missing"] == ["?"]
    assert Settings.of({}, stream).missing == ("?",)


def test_rows_and_files_that_came_before_are_still_seen(stream: Path, tmp_path: Path) -> None:
    compact(stream)
    given = {"settings": Settings.of({}, stream), "append": True, "late": "next", "max_bad_rows": 1}
    with pytest.raises(DataError, match=r"has taken .*day2\.csv before"):
        convert([tmp_path / "day2.csv"], stream, **given)  # type: ignore[arg-type]
    again = tmp_path / "again.csv"
    again.write_text("who,what,liked,when\nu1,i1,1,10\nu1,i1,1,2010\n")
    with pytest.raises(DataError, match="has 2 of the 2 rows up to then already"):
        convert([again], stream, **given)  # type: ignore[arg-type]
    assert convert([day(tmp_path, 4)], stream, **given).stream_rows == 152  # type: ignore[arg-type]


def test_a_walk_goes_on_after_a_merge_as_if_there_had_been_none(stream: Path, tmp_path: Path) -> None:
    def go_on(folder: str, root: Path, until: int | None = None) -> bytes:
        data = PeriodDataModule(Stream(), str(root), EqualRows(20), batch_size=8, history_size=5)
        method = partial(IncrementalUpdate, pretrain_periods=2, pretrain_epochs=1, test_from=4)
        walk(method, data, tmp_path / folder, until=until, resume=until is None, enable_progress_bar=False)
        return (tmp_path / folder / "metrics.csv").read_bytes()

    other = shutil.copytree(stream, tmp_path / "other")
    for folder, root in (("merged", stream), ("plain", other)):
        go_on(folder, root, until=4)
        convert([day(tmp_path, 4)], root, Settings.of({}, root), append=True, max_bad_rows=1)
    compact(stream)
    assert len(open_stream(stream).parts) == 1
    assert go_on("merged", stream) == go_on("plain", other)
    last = [max((tmp_path / run / "checkpoints").iterdir()).name for run in ("merged", "plain")]
    assert last[0] == last[1]


def test_what_is_out_of_range_is_refused(stream: Path) -> None:
    with pytest.raises(ConfigError, match="most_rows must be at least 1, got 0"):
        compact(stream, most_rows=0)
