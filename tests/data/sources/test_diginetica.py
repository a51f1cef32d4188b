"""DIGINETICA: the published file and a plain table."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from asmg_pl.convert import Settings, convert
from asmg_pl.data.sources import Diginetica, Stream
from asmg_pl.errors import DataError

HEADER = "sessionId;userId;itemId;timeframe;eventdate"
TABLE = "session,item,time\n5,70,1400000000\n6,70,1400000001\n5,71,1400000002\n6,72,1400000003\n7,70,1400000004\n"


def test_the_published_file_has_a_day_and_milliseconds_within_the_session(tmp_path: Path) -> None:
    rows = ["2;NA;81766;1500;2016-05-10", "1;NA;31331;1031018;2016-05-09", "1;77;32118;243569;2016-05-09"]
    (tmp_path / "train-item-views.csv").write_text("\n".join([HEADER, *rows, ""]))
    log = Diginetica(negatives=0).read(tmp_path)
    day = int(datetime(2016, 5, 9, tzinfo=UTC).timestamp())
    assert log.time.tolist() == [day + 243, day + 1031, day + 86_400 + 1]
    assert log.user.tolist() == [0, 0, 1]
    assert log.item.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.csv.gz"])
def test_a_table_of_sessions_gives_the_stream_that_convert_makes_of_it(tmp_path: Path, name: str) -> None:
    content = TABLE.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    settings = Settings(user="session", item="item", time="time", all_positive=True, negatives=1)
    convert([tmp_path / name], tmp_path / "stream", settings)
    read, converted = Diginetica().read(tmp_path), Stream().read(tmp_path / "stream")
    assert read.label.tolist() == [1, 1, 1, 1, 0, 1, 0]
    for column in ("user", "item", "label", "time"):
        assert torch.equal(getattr(read, column), getattr(converted, column))


def test_other_files_and_malformed_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*train-item-views\.csv: give the folder"):
        Diginetica().read(tmp_path)
    (tmp_path / "train-item-views.csv").write_text(f"{HEADER}\n1;NA;5;soon;2016-05-09\n")
    with pytest.raises(DataError, match=r":2: milliseconds 'soon' is not a whole number"):
        Diginetica().read(tmp_path)
