"""A file's last line: cut off, or just without a line end."""

from __future__ import annotations

from pathlib import Path

import pytest

from asmg_pl.data.tables.files import TextFile
from asmg_pl.data.tables.text import Dialect

FAULT = "the file ends here, maybe within this row: end the line if it is whole, or fetch the file again"
ROWS = "".join(f"u{n},{n},{'01'[n % 2]},16000{n:05}\n" for n in range(9990, 10010))


def last(
    path: Path, content: str, header: str = "user,item,label,time", quote: str = '"'
) -> tuple[str | None, str | None]:
    """The fault and the user of the last row."""
    path = path / "rows.csv"
    path.write_text(f"{header}\n{content}")
    found = []
    for records, _ in TextFile(path, Dialect(",", quote)).read({"user": "user", "time": "time"}):
        found += records.select("fault", "user").collect().rows()
    assert all(fault is None for fault, _ in found[:-1])
    fault, user = found[-1]
    return fault, user


@pytest.mark.parametrize(
    "end", ["u7,18,0,1600012300", "u7,18,0,1600012300\n", "u7,18,0,1600012300\r\n", '"u7","18",0,1600012300']
)
def test_a_last_row_without_line_end_is_one_if_it_looks_whole(tmp_path: Path, end: str) -> None:
    assert last(tmp_path, ROWS + end) == (None, "u7")


@pytest.mark.parametrize("end", ["u7,18,0,16000119", "u7,18,0,160001230", "u7,18,0,1", "u7,18,0,"])
def test_a_time_that_is_cut_off_is_told(tmp_path: Path, end: str) -> None:
    assert last(tmp_path, ROWS + end) == (FAULT, None)


@pytest.mark.parametrize("end", ["u7,18,0", "u7,18", "u7", "u7,", 'u7,"18'])
def test_a_row_that_ends_before_its_last_field_is_malformed(tmp_path: Path, end: str) -> None:
    fault, user = last(tmp_path, ROWS + end)
    assert fault is not None
    assert user is None


@pytest.mark.parametrize("cut", ["2014-01-31 18:30:0", "2014-01-31 18:30", "2014-01-31"])
def test_a_date_that_is_cut_off_is_told(tmp_path: Path, cut: str) -> None:
    """A date alone would be midnight."""
    rows = "".join(f"u{n},2014-01-31 18:30:{n}.5\n" for n in range(10, 30))
    assert last(tmp_path, f"{rows}u7,{cut}", "user,time")[0] == FAULT
    assert last(tmp_path, f"{rows}u7,2014-01-31 18:30:05.25", "user,time")[0] is None


def test_a_last_field_of_any_length_may_be_short(tmp_path: Path) -> None:
    rows = "".join(f"{n},1600000000,{'title' * n}\n" for n in range(1, 9))
    assert last(tmp_path, f"{rows}9,1600000000,t", "user,time,title")[0] is None
    assert last(tmp_path, f"{rows}9,1600000000,", "user,time,title")[0] == FAULT
    assert last(tmp_path, f"{rows}9,1600000000,\n", "user,time,title")[0] is None
    same = "".join(f"{n},1600000000,ab{n}\n" for n in range(1, 9))
    assert last(tmp_path, f"{same}9,1600000000,ab", "user,time,title")[0] == FAULT


def test_a_file_of_a_row_or_two_is_taken_as_it_is(tmp_path: Path) -> None:
    assert last(tmp_path, "u1,1,0,16000000000\nu1,1,0,1600000000")[0] is None
    assert last(tmp_path, "u1,1,0,1600000000")[0] is None
