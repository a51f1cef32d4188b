"""Spark's conversion writes the bytes that Polars' conversion writes, and says what it says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from convert.spark.conftest import differing

from asmg_pl.convert import Conversion, Settings, bounds, convert
from asmg_pl.data.stream.manifest import Manifest
from asmg_pl.errors import UserError

RATED = Settings(user="who", item="what", time="when", rating="stars", positive_from=4)
ROOT = Path(__file__).parents[3]
POSITIVE = Settings(user="who", item="what", time="when", all_positive=True)


def both(
    folder: Path, files: Sequence[Path], settings: Settings, append: bool = False, **options: Any
) -> tuple[Conversion, Path]:
    """Convert with each engine: the bytes are the same, and so is what is told."""
    done = [
        convert(files, folder / engine, settings, append=append, engine=engine, **options)
        for engine in ("polars", "spark")
    ]
    assert differing(folder / "polars", folder / "spark") == []
    assert done[0] == done[1]
    return done[1], folder / "spark"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_ROWS", 250)


def test_parts_with_categories_and_an_append_that_changes_them(spark: Any, tables: Path, small_parts: None) -> None:
    rated = replace(RATED, context=("device",), numbers=("price",), carry=3, item_id="movie", categories="genres")
    rated = replace(rated, lists=("tags",), list_size=2)
    files = [tables / "one.csv", tables / "two.csv"]
    done, stream = both(tables, files, rated, items=tables / "items.csv")
    assert (done.rows, done.cut_lists) == (700, 280)
    assert len(Manifest.read(stream).parts) == 3
    done, _ = both(tables, [tables / "later.csv"], rated, append=True, items=tables / "items-later.csv")
    assert done.recategorised > 0


@pytest.mark.parametrize("rule", ["uniform", pytest.param("popularity", marks=pytest.mark.slow)])
def test_negatives_and_an_append(spark: Any, tables: Path, small_parts: None, rule: Any) -> None:
    positive = replace(POSITIVE, negatives=2, negative_rule=rule, history="all", context=("device",), lists=("tags",))
    done, _ = both(tables, [tables / "one.csv"], positive)
    assert done.rows > 1000
    both(tables, [tables / "later.csv"], positive, append=True)


def test_malformed_rows_events_and_conditions(spark: Any, tables: Path) -> None:
    lines = [
        f"u{n % 7},i{n % 11},2020-09-13 12:{n % 60:02}:00,{'buy' if n % 3 else 'view'},{n % 5 / 4},{n}"
        for n in range(200)
    ]
    lines[20], lines[30], lines[40] = "u1,i2", ",i3,2020-09-13 12:00:00,buy,1,1", "u1,i1,yesterday,buy,1,1"
    text = "\n".join(["user,item,at,kind,w,n", *lines, ""])
    (tables / "a.csv").write_text(text)
    (tables / "b.csv").write_text("user,item,at,kind,w,n\nu1,i1,2020-09-14,view,0.5,3\nu9,i1,2020-09-15,buy,x,3\n")
    events = Settings(user="user", item="item", time="at", time_unit="iso", label="kind", positive=("buy", "order"),
                      weight="w", where=("n < 190",))  # fmt: skip
    done, _ = both(tables, [tables / "a.csv", tables / "b.csv"], events, max_bad_rows=4, start="2020-09-01")
    assert (done.quarantined, done.filtered, done.never) == (4, 10, ("order",))
    # The same file again, with more: what is there already is left out.
    (tables / "c.csv").write_text(text.split("\n", 1)[0] + "\nu1,i1,2020-09-14,view,0.5,3\nnew,i1,2020-09-16,buy,1,3\n")
    done, _ = both(tables, [tables / "c.csv"], events, append=True, repeated="drop")
    assert (done.rows, done.repeated) == (1, 1)


def test_late_rows_enter_or_are_listed(spark: Any, tables: Path) -> None:
    rated = replace(RATED, context=("device",), numbers=("price",), lists=("tags",))
    convert([tables / "one.csv"], tables / "polars", rated)
    shutil.copytree(tables / "polars", tables / "spark")
    done, _ = both(tables, [tables / "two.csv", tables / "later.csv"], rated, append=True, late="next")
    assert done.rows == 450
    assert done.entered_late > 0
    text = (tables / "later.csv").read_text().splitlines()
    lines = [*text[:9], "1,2,1700000000,5,tv,0.5,1,t1", "1,,1700000000,5,tv,0.5,1,", ""]
    (tables / "more.csv").write_text("\n".join(lines))
    rules: dict[str, Any] = {"late": "quarantine", "max_bad_rows": 1, "repeated": "keep"}
    done, stream = both(tables, [tables / "more.csv"], rated, append=True, **rules)
    assert (done.rows, done.late, done.dropped, done.quarantined) == (2, 7, 0, 1)
    assert len((stream / "quarantine.csv").read_text().splitlines()) == 9


@pytest.mark.slow
def test_features_of_users_and_items_as_of_the_row(spark: Any, tables: Path, small_parts: None) -> None:
    begin, ages = 1_600_000_000, range(10, 60)
    people = [f"{age % 32},{begin + 7 * age % 300},{age},{'a' if age % 3 else ''},p|q{age % 4}|r" for age in ages]
    (tables / "people.csv").write_text("\n".join(["id,since,age,class,likes", *people, ""]))
    things = [f"{thing},{thing / 4 if thing % 5 else ''},c{thing % 6}" for thing in range(50)]
    (tables / "things.csv").write_text("\n".join(["movie,cost,colour", *things, *things[:3], ""]))
    of_both = replace(POSITIVE, negatives=1, context=("device",), lists=("tags",), list_size=2)
    of_both = replace(of_both, user_id="id", user_time="since", user_numbers=("age",), user_context=("class",))
    of_both = replace(of_both, user_lists=("likes",), item_id="movie", item_numbers=("cost",), item_context=("colour",))
    beside: dict[str, Any] = {"users": tables / "people.csv", "items": tables / "things.csv"}
    done, _ = both(tables, [tables / "one.csv"], of_both, **beside)
    assert done.cut_lists > 0
    assert done.without_side == ()
    (tables / "things.csv").write_text("movie,cost,colour\nx,1,c9\n")
    done, _ = both(tables, [tables / "later.csv"], of_both, append=True, **beside)
    assert done.without_side == ("item",)
    (tables / "things.csv").write_text("movie,cost,colour\n1,2,c1\n2,2,c2\n2,3,c2\n")
    told = []
    for engine in ("polars", "spark"):
        with pytest.raises(UserError, match="item 2 has several values") as caught:
            convert([tables / "one.csv"], tables / "refused", of_both, engine=engine, **beside)
        told.append(str(caught.value))
    assert told[0] == told[1]


HEAD = "who,what,when,stars"
SOUND = "".join(f"{n % 5},{n % 7},{1_600_000_000 + n},4\n" for n in range(100))


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ([f"{HEAD}\n1,2,3\n{SOUND}1,,1600000000,4\n"], {}),
        ([f"{HEAD}\n{SOUND}0012,5,1600000000,4\n12,5,1600000001,4\n"], {}),
        ([f"{HEAD}\n{SOUND}NULL,5,1600000000,4\nx,5,1600000001,4\n"], {}),
        ([f"{HEAD}\n{SOUND}1,5,900000000,4\n"], {}),
        ([f"{HEAD}\n{SOUND}", f"{HEAD}\n{SOUND[200:]}"], {}),
        ([f"{HEAD}\n{SOUND}"], {"start": "2024-01-01"}),
        ([f"{HEAD}\n{SOUND}\udc80"], {}),
    ],
    ids=["malformed", "two spellings", "missing", "far times", "overlap", "other days", "no text"],
)  # fmt: skip
def test_what_is_refused_is_told_alike(spark: Any, tmp_path: Path, files: list[str], options: dict[str, str]) -> None:
    paths = [tmp_path / f"{number}.csv" for number in range(len(files))]
    for path, text in zip(paths, files, strict=True):
        path.write_text(text, errors="surrogateescape")
    told = []
    for engine in ("polars", "spark"):
        with pytest.raises(UserError) as caught:
            convert(paths, tmp_path / "stream", RATED, engine=engine, **options)  # type: ignore[arg-type]
        told.append(str(caught.value))
        assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert told[0] == told[1]


#: The files that differ where no file was read.
OF_FILES = ["part-00000/digests.json", "part-00000/sources.json", "stream.json"]


def test_a_data_frame_in_any_order_is_one_stream(spark: Any, tables: Path) -> None:
    from asmg_pl.convert.spark import write_stream

    rows = pl.read_csv(tables / "one.csv", infer_schema_length=None)
    rows.sort("when", "id").write_csv(tables / "sorted.csv")
    frame = spark.createDataFrame(rows.to_arrow()).repartition(3, "stars")
    convert([tables / "sorted.csv"], tables / "polars", replace(RATED, numbers=("price",)))
    given: dict[str, Any] = {"rating": "stars", "positive_from": 4, "numbers": ("price",)}
    done = write_stream(frame, tables / "spark", order=["id"], user="who", item="what", time="when", **given)
    assert differing(tables / "polars", tables / "spark") == OF_FILES
    assert done.rows == 400

    # The same rows come again in another order, and with a new one.
    again = pl.concat([rows, rows.sort("when").tail(1).with_columns(pl.col("when") + 60)])
    again.sort("when", "id").write_csv(tables / "again.csv")
    settings = replace(RATED, numbers=("price",))
    convert([tables / "again.csv"], tables / "polars", settings, append=True, repeated="drop")
    frame_again = spark.createDataFrame(again.to_arrow()).repartition(4, "who")
    given |= {"append": True, "repeated": "drop"}
    done = write_stream(frame_again, tables / "spark", order=["id"], user="who", item="what", time="when", **given)
    assert (done.rows, done.repeated) == (1, 400)
    later = ["part-00001/digests.json", "part-00001/sources.json"]
    assert differing(tables / "polars", tables / "spark") == sorted([*OF_FILES, *later])

    # As the page on scale shows it, without an order: the values order the rows.
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "scale.md").read_text(), flags=re.DOTALL)
    table = frame.selectExpr("what as item", "when as at", "who as user")
    shown = code.replace("/shared/streams/clicks", str(tables / "shown"))
    exec(shown, {"spark": SimpleNamespace(table={"shop.clicks": table}.__getitem__)})
    rows.sort("when", pl.col("who", "what").cast(pl.String)).rename(
        {"who": "user", "what": "item", "when": "at"}
    ).write_csv(tables / "sorted.csv")
    convert(
        [tables / "sorted.csv"], tables / "expected", Settings(user="user", item="item", time="at", all_positive=True)
    )
    assert differing(tables / "expected", tables / "shown") == OF_FILES
