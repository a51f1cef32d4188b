"""Times in a form of their own: the moment is the one that a person reads, and other text is malformed."""

from __future__ import annotations

from pathlib import Path

import pytest

from asmg_pl.data.tables.dated import DatedFile, check_form
from asmg_pl.data.tables.files import TextFile
from asmg_pl.data.tables.text import Dialect
from asmg_pl.errors import ConfigError


def read(path: Path, form: str, *times: str) -> list[tuple[str | None, str | None]]:
    (path / "rows.tsv").write_text("user\ttime\n" + "".join(f"u\t{time}\n" for time in times))
    ((records, _),) = DatedFile(TextFile(path / "rows.tsv", Dialect("\t")), "time", form).read({"time": "time"})
    return list(records.select("time", "fault").collect().rows())


@pytest.mark.parametrize(
    ("form", "time", "iso"),
    [
        ("%m/%d/%Y %I:%M:%S %p", "11/15/2019 8:55:22 PM", "2019-11-15T20:55:22.000000Z"),
        ("%y%m%d%H", "14102107", "2014-10-21T07:00:00.000000Z"),
        ("%d.%m.%Y %I %p", "28.11.2017 7 PM", "2017-11-28T19:00:00.000000Z"),
        ("%d.%m.%Y", "1.5.2017", "2017-05-01T00:00:00.000000Z"),
        ("%d/%b/%Y:%H:%M:%S %z", "16/Feb/2019:00:27:59 +0200", "2019-02-15T22:27:59.000000Z"),
        ("%Y-%m-%d %H:%M:%S%.f", "2019-02-03 04:05:06.789", "2019-02-03T04:05:06.789000Z"),
    ],
)
def test_a_form_is_read(tmp_path: Path, form: str, time: str, iso: str) -> None:
    check_form(form)
    fault = f"time 'soon' is not written as {form} (--time-format)"
    assert read(tmp_path, form, time, "soon") == [(iso, None), (None, fault)]


@pytest.mark.parametrize("form", ["", "%H:%M", "%Y", "%m%d", "day", "%Q", "%Y-%m", "%d.%m.%Y %H:%S", "%"])
def test_a_form_without_a_day_is_refused(form: str) -> None:
    with pytest.raises(ConfigError, match="does not say how a day is written"):
        check_form(form)
