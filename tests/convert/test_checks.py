"""No silent wrong number: times, ids, files and missing values that look wrong are refused, in either order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from asmg_pl.convert import Settings, convert
from asmg_pl.data.stream import StreamWriter, open_stream, read_names
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.data.tables import times
from asmg_pl.errors import ConfigError, DataError

SETTINGS = Settings(user="user", item="item", time="time", label="label")
BEGIN = 1_600_000_000
Write = Callable[..., Path]


def rows(user: Sequence[Any], begin: int = BEGIN, **columns: Any) -> pl.DataFrame:
    """A row a minute for each of the users."""
    count = len(user)
    plain = {
        "item": range(count),
        "label": [n % 2 for n in range(count)],
        "time": [begin + 60 * n for n in range(count)],
    }
    return pl.DataFrame({"user": user} | plain | columns, strict=False)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(table: pl.DataFrame, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            table.write_parquet(path)
        elif path.suffix == ".gz":
            path.write_bytes(gzip.compress(table.write_csv().encode()))
        else:
            table.write_csv(path)
        return path

    return to


def refused(out: Path, *files: Path, settings: Settings = SETTINGS, **options: Any) -> str:
    """The message of the error, after which the stream is as it was."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises((DataError, ConfigError)) as caught:
        convert(files, out, settings, **options)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    return str(caught.value)


# ---- times


def test_seconds_among_milliseconds_are_refused_row_by_row(write: Write, tmp_path: Path) -> None:
    early = [(BEGIN + n) * 1000 for n in range(50)]
    late = [BEGIN + 100 + n for n in range(10)]
    path = write(rows(["u"] * 60, time=early + late))
    message = refused(tmp_path / "out", path, settings=replace(SETTINGS, time_unit="ms"))
    assert message.startswith("10 malformed rows, and --max-bad-rows accepts 0")
    assert (
        f"{path}:52: time '{BEGIN + 100}' would be 1970-01-19 12:26:40 UTC, before 1990: it reads like seconds"
        in message
    )


@pytest.mark.parametrize("append", [False, True])
def test_files_in_two_units_are_refused(write: Write, tmp_path: Path, append: bool) -> None:
    one, two = write(rows(["u", "v"])), write(rows(["u", "v"], time=[(BEGIN + 999) * 1000] * 2), "two.csv")
    if append:
        convert([one], tmp_path / "out", SETTINGS)
    message = refused(tmp_path / "out", *([] if append else [one]), two, append=append)
    assert f"{two}: column 'time' (--time) reads like milliseconds" in message


def test_integers_that_are_dates_become_dates_as_iso(write: Write, tmp_path: Path) -> None:
    path = write(rows(["u", "v"], time=[20220408, 20220409]))
    assert "give --time-unit iso" in refused(tmp_path / "out", path)
    convert([path], tmp_path / "out", replace(SETTINGS, time_unit="iso"))
    assert open_stream(tmp_path / "out").time.tolist() == [1649376000, 1649462400]


@pytest.mark.parametrize(
    "values",
    [
        [date(2022, 4, 8), date(2022, 4, 9)],
        [datetime(2022, 4, 8), datetime(2022, 4, 9)],
        pl.Series([datetime(2022, 4, 8), datetime(2022, 4, 9)], dtype=pl.Datetime("ns", "UTC")),
        pl.Series([datetime(2022, 4, 8), datetime(2022, 4, 9)], dtype=pl.Datetime("ms", "Europe/Oslo")),
    ],
)
def test_dates_of_parquet_are_dates(write: Write, tmp_path: Path, values: Any) -> None:
    path = write(rows(["u", "v"], time=values), "rows.parquet")
    assert "give --time-unit iso" in refused(tmp_path / "out", path)
    convert([path], tmp_path / "out", replace(SETTINGS, time_unit="iso"))
    moments = pl.Series(values).cast(pl.Datetime("us", getattr(pl.Series(values).dtype, "time_zone", None)))
    assert open_stream(tmp_path / "out").time.tolist() == moments.dt.epoch("s").to_list()


def test_the_future_is_refused_by_the_clock(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(rows(["u"] * 3, time=[BEGIN, BEGIN + 1, BEGIN + 100_000]))
    monkeypatch.setattr(times, "now", lambda: BEGIN)
    assert f"{path}:4: time '{BEGIN + 100_000}' would be 2020-09-14 16:13:20 UTC, in the future" in refused(
        tmp_path / "out", path
    )
    monkeypatch.setattr(times, "now", lambda: BEGIN + 20_000)
    assert convert([path], tmp_path / "out", SETTINGS).rows == 3


def test_a_few_rows_far_from_the_others_are_refused(write: Write, tmp_path: Path) -> None:
    path = write(rows(["u"] * 100, time=[BEGIN + n for n in range(99)] + [BEGIN - 3000 * 86_400]))
    message = refused(tmp_path / "out", path)
    assert message.startswith("1 of 100 rows are 3,000 days away from all others, from 2012-06-27 12:26:40 to")
    assert f"{path}:101" in message
    assert convert([path], tmp_path / "left-out", SETTINGS, start="2015-01-01").left_out == 1
    assert convert([path], tmp_path / "meant", replace(SETTINGS, any_time=True)).rows == 100


def test_implausible_times_can_be_left_out_or_meant(write: Write, tmp_path: Path) -> None:
    path = write(rows(["u"] * 9, time=[BEGIN] * 8 + [5]))
    assert convert([path], tmp_path / "out", SETTINGS, max_bad_rows=1).rows == 8
    meant = replace(SETTINGS, any_time=True)
    assert open_stream_times(convert([path], tmp_path / "meant", meant).rows, tmp_path / "meant")[0] == 5
    later = write(rows(["u"], time=[BEGIN + 1]), "later.csv")
    assert Settings.of({}, tmp_path / "meant").any_time, "an append goes on with it"
    convert([later], tmp_path / "meant", Settings.of({}, tmp_path / "meant"), append=True)


def open_stream_times(count: int, stream: Path) -> list[int]:
    found: list[int] = open_stream(stream).time.tolist()
    assert len(found) == count
    return found


# ---- ids

SPELLINGS = [
    ("12", "12.0"),
    ("12", "0012"),
    ("12", "12 "),
    ("12", "12\u00a0"),
    ("12", "+12"),
    ("1000", "1e3"),
    ("0", "-0"),
]


def role(column: str, value: str) -> dict[str, list[str]]:
    return {"device": ["tv"] * 3} | {column: [value, "7" if column != "device" else "tv", value]}


@pytest.mark.parametrize("column", ["user", "item", "device"])
@pytest.mark.parametrize(("one", "other"), [*SPELLINGS, ("True", "1"), ("x", "x ")])
@pytest.mark.parametrize("turn", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_two_spellings_are_refused_between_files_and_with_a_stream(
    write: Write, tmp_path: Path, column: str, one: str, other: str, turn: int
) -> None:
    if column == "device" and one == "True":
        pytest.skip("words for true and false are 1 and 0 in a context feature")
    texts = [one, other][::turn]
    users = {"user": ["a", "b", "c"]}
    first, second = (
        write(rows(**(users | role(column, text)), begin=BEGIN + 1000 * n), f"{n}.csv") for n, text in enumerate(texts)
    )
    settings = replace(SETTINGS, context=("device",))
    message = refused(tmp_path / "out", first, second, settings=settings)
    assert f"column {column!r} (--" in message
    for text, path in zip(texts, (first, second), strict=True):
        assert f"{text!r} ({path}:2)" in message
    assert "give --ids unified if they are, or --ids as-written if they are not" in message
    convert([first], tmp_path / "stream", settings)
    message = refused(tmp_path / "stream", second, settings=settings, append=True)
    assert f"{second}:2" in message
    assert repr(texts[1]) in message
    convert([first, second], tmp_path / "apart", replace(settings, ids="as-written"))
    together = convert([first, second], tmp_path / "one", replace(settings, ids="unified"))
    apart = open_stream(tmp_path / "apart").sizes
    assert sum(together.sizes[:2]) + sum(together.sizes.context) == sum(apart[:2]) + sum(apart.context) - 1


def test_a_float_column_of_whole_numbers_is_asked_about(write: Write, tmp_path: Path) -> None:
    """As a data frame makes of whole numbers when one of them is missing."""
    floats = write(rows([12.0, 7.0, None], begin=BEGIN + 1000), "floats.parquet")
    ints = write(rows([12, 7, 7]), "ints.parquet")
    message = refused(tmp_path / "out", floats)
    assert "column 'user' (--user) has values of type Float64, which are not an id" in message
    assert "if they are whole numbers, give --ids unified" in message
    done = convert([ints, floats], tmp_path / "out", replace(SETTINGS, ids="unified"), max_bad_rows=1)
    assert (done.sizes.users, done.quarantined) == (2, 1)
    assert read_names(tmp_path / "out", "users").to_list() == [12, 7]


def test_true_and_false_are_the_same_in_text_and_parquet(write: Write, tmp_path: Path) -> None:
    settings = replace(SETTINGS, context=("mobile",))
    text = write(rows(["a", "b", "c"], mobile=["True", "False", None]))
    parquet = write(rows(["a", "b", "c"], begin=BEGIN + 1000, mobile=[True, False, None]), "booleans.parquet")
    numbers = write(rows(["a", "b", "c"], begin=BEGIN + 2000, mobile=[1, 0, None]), "numbers.csv")
    convert([text], tmp_path / "out", settings)
    for path in (parquet, numbers):
        convert([path], tmp_path / "out", settings, append=True)
    assert Manifest.read(tmp_path / "out").context == {"mobile": 3}
    convert([numbers, parquet, text], tmp_path / "at-once", settings)
    assert Manifest.read(tmp_path / "at-once").context == {"mobile": 3}


def test_items_of_the_catalogue_are_spelled_as_in_the_rows(write: Write, tmp_path: Path) -> None:
    settings = replace(SETTINGS, item_id="id", categories="kinds")
    paths = [write(rows(["a"], item=[item]), f"{n}.csv") for n, item in enumerate(["0012", "12"])]
    for path, other in zip(paths, ("12", "12.0"), strict=True):
        items = write(pl.DataFrame({"id": [other, "5"], "kinds": ["x", "y"]}), "items.csv")
        message = refused(tmp_path / "out", path, settings=settings, items=items)
        assert "column 'id' (--item-id): are" in message
        assert f"({items}:2)" in message
        done = convert([path], tmp_path / path.stem, replace(settings, ids="unified"), items=items)
        assert done.sizes.categories == 1


def test_the_same_ids_in_text_and_parquet_are_the_same(write: Write, tmp_path: Path) -> None:
    kinds: list[Any] = [pl.Int32, pl.UInt64, pl.Categorical, pl.String, pl.Decimal(38, 0)]
    paths = []
    for n, kind in enumerate(kinds):
        ids = pl.Series(["12", "7"]).cast(pl.Int64 if kind not in (pl.Categorical, pl.String) else pl.String).cast(kind)
        paths.append(write(rows([12, 7], begin=BEGIN + 1000 * n).with_columns(user=ids), f"{n}.parquet"))
    done = convert([*paths, write(rows([12, 7], begin=BEGIN + 9000))], tmp_path / "out", SETTINGS)
    assert done.sizes.users == 2


def test_ids_beyond_64_bits_are_text(write: Write, tmp_path: Path) -> None:
    table = rows([2**63 + 1, 2**63 + 2]).with_columns(user=pl.Series([2**63 + 1, 2**63 + 2], dtype=pl.UInt64))
    convert([write(table, "rows.parquet")], tmp_path / "out", SETTINGS)
    assert read_names(tmp_path / "out", "users").to_list() == [str(2**63 + 1), str(2**63 + 2)]


# ---- missing values


def test_minus_one_among_numbers_is_taken_for_a_missing_value(write: Write, tmp_path: Path) -> None:
    path = write(rows([1, -1, 7, -1]))
    message = refused(tmp_path / "out", path)
    assert f"2 of 4 rows (50.0%) have the user '-1' (the first at {path}:3)" in message
    assert "give --missing -1 if it does" in message
    assert convert([path], tmp_path / "a", replace(SETTINGS, ids="as-written")).sizes.users == 3
    assert convert([path], tmp_path / "b", replace(SETTINGS, missing=("-1",)), max_bad_rows=2).sizes.users == 2
    assert convert([write(rows([1, -1, -7]))], tmp_path / "c", SETTINGS).sizes.users == 3


@pytest.mark.parametrize("text", ["\\N", "NA", "null", "undefined", "None", "nan", "?"])
@pytest.mark.parametrize("column", ["user", "item"])
def test_a_giant_user_without_a_name_is_refused(write: Write, tmp_path: Path, text: str, column: str) -> None:
    ids: dict[str, Any] = {"user": ["a", "b", "c", "d"]} | {column: ["a", text, "b", text]}
    path = write(rows(**ids))
    message = refused(tmp_path / "out", path)
    assert f"2 of 4 rows (50.0%) have the {column} '{text}' (the first at {path}:3)" in message
    quoted = text if text.isalnum() else f"'{text}'"
    assert f"give --missing {quoted} if it does" in message
    missing = replace(SETTINGS, missing=(text,))
    assert f"{path}:3: {column} '" in refused(tmp_path / "out", path, settings=missing)
    done = convert([path], tmp_path / "out", missing, max_bad_rows=2)
    assert (done.rows, done.quarantined) == (2, 2)
    later = write(rows(**ids, begin=BEGIN + 1000), "later.csv")
    again = convert([later], tmp_path / "out", Settings.of({}, tmp_path / "out"), append=True, max_bad_rows=2)
    assert again.quarantined == 2, "an append goes on with it"
    assert convert([path], tmp_path / "meant", replace(SETTINGS, ids="as-written")).rows == 4


def test_a_missing_context_value_is_one_value(write: Write, tmp_path: Path) -> None:
    settings = replace(SETTINGS, context=("device",))
    path = write(rows(["a", "b", "c"], device=["", "NA", "tv"]))
    message = refused(tmp_path / "out", path, settings=settings)
    assert "give --missing NA if they are" in message
    done = convert([path], tmp_path / "out", replace(settings, missing=("NA",)))
    assert done.sizes.context == (2,)
    nulls = write(rows(["a"], begin=BEGIN + 1000).with_columns(device=pl.lit(None)), "nulls.parquet")
    assert convert([nulls], tmp_path / "out", Settings.of({}, tmp_path / "out"), append=True).sizes.context == (2,)


def test_a_missing_category_is_none(write: Write, tmp_path: Path) -> None:
    items = write(pl.DataFrame({"id": [0, 1], "kinds": ["(no genres listed)", "x"]}), "items.csv")
    settings = replace(SETTINGS, item_id="id", categories="kinds", missing=("(no genres listed)",))
    assert convert([write(rows(["a", "b"]))], tmp_path / "out", settings, items=items).sizes.categories == 1


# ---- files


def test_two_files_with_the_same_rows_are_refused(write: Write, tmp_path: Path) -> None:
    table = rows(["a", "b", "c"])
    one = write(table, "a/log.csv")
    for name, same in {
        "b/copy.csv": table,
        "b/copy.csv.gz": table.reverse(),
        "b/copy.parquet": table.select("time", "item", "label", "user"),
    }.items():
        path = write(same, name)
        message = refused(tmp_path / "out", one, path)
        assert message.startswith("files overlap: nothing was written")
        assert f"{path} repeats 3 rows of {one}" in message
    other = write(table.with_columns(item=pl.col("item") + 1), "b/other.csv")
    assert convert([one, other], tmp_path / "out", SETTINGS).rows == 6


def test_partitions_of_hive_are_read_with_their_keys(write: Write, tmp_path: Path) -> None:
    for day in ("2020-10-24", "2020-10-25"):
        write(rows(["u18", "u2"], begin=BEGIN + int(day[-1]) * 1000).with_columns(pl.col("user").cast(pl.Categorical)),
              f"hive/date={day}/part-0.parquet")  # fmt: skip
    assert convert([tmp_path / "hive"], tmp_path / "out", SETTINGS).rows == 4
    days = replace(SETTINGS, time="date", time_unit="iso")
    convert([tmp_path / "hive"], tmp_path / "days", days)
    assert open_stream(tmp_path / "days").time.unique().tolist() == [1603497600, 1603584000]


def test_a_file_without_header_is_read_with_names(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"a,7,1,{BEGIN}\nb,8,0,{BEGIN + 1}\n")
    assert f"{path}: it has no header, its first line is 'a', '7', '1', '{BEGIN}': name its columns with --columns" in (
        refused(tmp_path / "out", path)
    )
    done = convert([path], tmp_path / "out", replace(SETTINGS, columns=("user", "item", "label", "time")))
    assert (done.rows, done.sizes.users) == (2, 2)
    assert Settings.of({}, tmp_path / "out").columns == ("user", "item", "label", "time")
    assert Settings.of(
        {"columns": ["a,b", "c"], **{n: n for n in ("user", "item", "time", "label")}}, None
    ).columns == (("a", "b", "c"))


def test_settings_of_an_earlier_version_are_read(write: Write, tmp_path: Path) -> None:
    table = rows(["a", "b"])
    StreamWriter(tmp_path / "out").append(table)  # which keeps no settings with the rows, as then
    stored = asdict(SETTINGS)
    for name in ("any_time", "ids", "missing", "columns"):
        del stored[name]
    (tmp_path / "out" / "convert.json").write_text(json.dumps(stored))
    assert Settings.of({}, tmp_path / "out") == SETTINGS
    assert (
        convert([write(rows(["a"], begin=BEGIN + 999), "new.csv")], tmp_path / "out", SETTINGS, append=True).rows == 1
    )


def test_a_stream_that_keeps_words_for_true_and_false_goes_on_with_them(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, context=("mobile",))
    monkeypatch.setattr("asmg_pl.data.tables.columns.BOOLEANS", {})  # as an earlier version wrote them
    convert([write(rows(["a", "b"], mobile=["True", "False"]))], tmp_path / "out", settings)
    monkeypatch.undo()
    new = write(rows(["a", "b"], begin=BEGIN + 999, mobile=[True, False]), "new.parquet")
    convert([new], tmp_path / "out", settings, append=True)
    assert Manifest.read(tmp_path / "out").context == {"mobile": 2}
