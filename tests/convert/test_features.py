"""Numbers, lists, weights, further labels, and features of users and items as they were at the time of each row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from asmg_pl.cli.commands import convert as command
from asmg_pl.convert import Settings, convert
from asmg_pl.convert.compaction import compact
from asmg_pl.data import InteractionLog
from asmg_pl.data.batch import Batch
from asmg_pl.data.stream import open_stream, read_names
from asmg_pl.errors import ConfigError, DataError

DAY = 1_400_000_000
PLAIN: dict[str, Any] = {"user": "u", "item": "i", "time": "t", "label": "l"}


def write(path: Path, text: str) -> Path:
    path.write_text("\n".join(line.strip() for line in text.strip().splitlines()).replace("T+", str(DAY)[:-2]) + "\n")
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(
        tmp_path / "rows.csv",
        """
        u,i,t,l,price,tags,w,buy
        1,7,T+01,1,2.5,red|wide,1,1
        2,8,T+02,0,,blue,0.5,
        1,8,T+03,1,-3,,2,false
        3,9,T+04,0,1e3,red|x|y|z,1,0.25
        """,
    )


def stream(folder: Path, files: Path, settings: dict[str, Any], **options: Any) -> InteractionLog:
    convert([files], folder, Settings(**PLAIN | settings), **options)
    return open_stream(folder)


def batch_of(log: InteractionLog) -> Batch:
    return log.batch(torch.arange(len(log)), 0)


def listed(values: torch.Tensor | None) -> list[Any]:
    assert values is not None
    return [[None if value != value else value for value in row] for row in values.tolist()]


def named(log: InteractionLog, place: int) -> list[list[str]]:
    names, lists = log.names[f"list-{place}"](), batch_of(log).lists
    assert lists is not None
    return [[names[value] for value in row if value >= 0] for row in lists[:, place].tolist()]


def context(log: InteractionLog, place: int) -> list[str]:
    found = batch_of(log).context
    assert found is not None
    return log.names[f"context-{place}"]()[found[:, place].numpy()].to_list()


FEATURED: dict[str, Any] = {
    "numbers": ("price",),
    "lists": ("tags",),
    "list_size": 3,
    "weight": "w",
    "labels": ("buy",),
}


def test_the_columns_of_the_rows_become_features(rows: Path, tmp_path: Path) -> None:
    log = stream(tmp_path / "stream", rows, FEATURED)
    batch = batch_of(log)
    assert listed(batch.numbers) == [[2.5], [None], [-3.0], [1000.0]]
    assert named(log, 0) == [["red", "wide"], ["blue"], [], ["red", "x", "y"]]
    assert batch.weight is not None
    assert batch.weight.tolist() == [1, 0.5, 2, 1]
    assert listed(batch.labels) == [[1.0], [None], [0.0], [0.25]]
    assert log.sizes.labels == ("buy",)


def test_parquet_and_text_give_the_same_features(rows: Path, tmp_path: Path) -> None:
    pl.read_csv(rows, schema_overrides={"buy": pl.String}).write_parquet(tmp_path / "rows.parquet")
    one = stream(tmp_path / "one", rows, FEATURED)
    other = stream(tmp_path / "other", tmp_path / "rows.parquet", FEATURED)
    assert one.fingerprint(4) == other.fingerprint(4)


@pytest.mark.parametrize(
    ("settings", "value", "message"),
    [
        (
            {"numbers": ("price",)},
            "NA",
            "number price 'NA' is not a number of 32 bits: if it means a missing value, name it",
        ),
        ({"numbers": ("price",)}, "1e39", "number price '1e39' is not a number"),
        ({"numbers": ("price",)}, "inf", "number price 'inf' is not a number"),
        ({"weight": "price"}, "-1", "weight price '-1' is not a number from 0 on"),
        ({"weight": "price"}, "", "weight price '' is not a number from 0 on"),
        ({"labels": ("price",)}, "7", "further price '7' is not from 0 to 1"),
    ],
)
def test_malformed_values_are_named_with_their_line(
    tmp_path: Path, settings: dict[str, Any], value: str, message: str
) -> None:
    files = write(tmp_path / "rows.csv", f"u,i,t,l,price\n1,7,T+01,1,1\n1,7,T+02,0,{value}\n")
    with pytest.raises(DataError, match=rf"rows\.csv:3: {message}"):
        stream(tmp_path / "stream", files, settings)
    found = stream(tmp_path / "stream", files, settings, max_bad_rows=1)
    assert len(found) == 1
    assert value in (tmp_path / "stream" / "quarantine.csv").read_text()


def test_texts_may_mean_a_missing_number(tmp_path: Path) -> None:
    files = write(tmp_path / "rows.csv", "u,i,t,l,price\n1,7,T+01,1,NA\n1,7,T+02,0,4\n")
    log = stream(tmp_path / "stream", files, {"numbers": ("price",), "missing": ("NA",)})
    assert listed(batch_of(log).numbers) == [[None], [4.0]]


def users(tmp_path: Path) -> Path:
    return write(
        tmp_path / "users.csv",
        """
        u,since,country,age,likes
        1,T+03,NO,31,a|b
        1,T+01,SE,30,
        2,T+09,DK,50,c
        """,
    )


CHANGING: dict[str, Any] = {
    **{"user_time": "since", "user_context": ("country",), "user_numbers": ("age",), "user_lists": ("likes",)},
    **{"context": ("w",)},
}


def test_a_row_has_the_latest_values_that_are_not_later_than_it(rows: Path, tmp_path: Path) -> None:
    log = stream(tmp_path / "stream", rows, CHANGING, users=users(tmp_path))
    assert log.context_names == ("w", "country")
    assert context(log, 1) == ["SE", "", "NO", ""]
    assert listed(batch_of(log).numbers) == [[30.0], [None], [31.0], [None]]
    assert named(log, 0) == [[], [], ["a", "b"], []]
    assert [(f.name, f.side) for f in log.sizes.context_features] == [("w", "row"), ("country", "user")]


def test_later_values_change_nothing_before_them(rows: Path, tmp_path: Path) -> None:
    stream(tmp_path / "one", rows, CHANGING, users=users(tmp_path))
    more = users(tmp_path)
    more.write_text(more.read_text() + f"1,{DAY + 3},FI,99,z\n3,{DAY + 10**6},FI,99,z\n")
    stream(tmp_path / "other", rows, CHANGING, users=more)
    one, other = open_stream(tmp_path / "one"), open_stream(tmp_path / "other")
    assert one.fingerprint(2) == other.fingerprint(2)
    assert context(other, 1) == ["SE", "", "FI", ""]


def test_values_without_a_time_count_for_all_rows(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "items.csv", "id,kind,price,brand\n7,a,5,x\n7,b,5,x\n9,a,,y\n")
    settings = {"item_id": "id", "categories": "kind", "item_numbers": ("price",), "item_context": ("brand",)}
    log = stream(tmp_path / "stream", rows, settings, items=items)
    assert listed(batch_of(log).numbers) == [[5.0], [None], [None], [None]]
    assert context(log, 0) == ["x", "", "", "y"]
    assert log.sizes.categories == 2
    assert log.sizes.numbers[0].side == "item"
    items.write_text("id,kind,price,brand\n7,a,5,x\n7,b,6,x\n")
    with pytest.raises(DataError, match="item 7 has several values in the file of items"):
        stream(tmp_path / "twice", rows, settings, items=items)


def test_negatives_have_the_features_of_their_own_items(tmp_path: Path) -> None:
    files = write(tmp_path / "rows.csv", "u,i,t,buy\n1,7,T+01,1\n2,8,T+02,1\n3,9,T+03,\n4,7,T+04,1\n")
    items = write(tmp_path / "items.csv", "id,price\n7,70\n8,80\n9,90\n")
    settings = Settings(
        "u", "i", "t", all_positive=True, negatives=1, item_id="id", item_numbers=("price",), labels=("buy",)
    )
    convert([files], tmp_path / "stream", settings, items=items)
    log = open_stream(tmp_path / "stream")
    batch, names = batch_of(log), read_names(tmp_path / "stream", "items")
    assert (log.label == 0).any()
    assert listed(batch.numbers) == [[names[item] * 10.0] for item in log.item.tolist()]
    pairs = list(zip(log.label.tolist(), [row[0] for row in listed(batch.labels)], strict=True))
    assert {buy for label, buy in pairs if not label} <= {0.0, None}


def test_appends_go_on_with_the_same_features(rows: Path, tmp_path: Path) -> None:
    settings = FEATURED | CHANGING | {"context": ()}
    lines = rows.read_text().splitlines(keepends=True)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("".join(lines[:3]))
    second.write_text("".join([lines[0], *lines[3:]]))
    whole = stream(tmp_path / "whole", rows, settings, users=users(tmp_path))
    stream(tmp_path / "parts", first, settings, users=users(tmp_path))
    with pytest.raises(ConfigError, match="give --users FILE"):
        convert([second], tmp_path / "parts", Settings(**PLAIN | settings), append=True)
    given = Settings.of({}, tmp_path / "parts")
    assert given.numbers == ("price",)
    with pytest.raises(ConfigError, match="--numbers is price there, w here"):
        Settings.of({"numbers": ["w"]}, tmp_path / "parts")
    convert([second], tmp_path / "parts", given, append=True, users=users(tmp_path))
    assert open_stream(tmp_path / "parts").fingerprint(4) == whole.fingerprint(4)
    compact(tmp_path / "parts")
    assert open_stream(tmp_path / "parts").fingerprint(4) == whole.fingerprint(4)
    assert len(open_stream(tmp_path / "parts").parts) == 1


def test_repeated_rows_are_recognised_by_their_numbers_too(rows: Path, tmp_path: Path) -> None:
    lines = rows.read_text().splitlines()
    stream(tmp_path / "stream", rows, FEATURED)
    again = tmp_path / "again.csv"
    again.write_text("\n".join([lines[0], lines[-1]]) + "\n")
    with pytest.raises(DataError, match="has 1 of the 1 rows up to then already"):
        convert([again], tmp_path / "stream", Settings(**PLAIN | FEATURED), append=True)
    again.write_text("\n".join([lines[0], lines[-1].replace("1e3", "5")]) + "\n")
    convert([again], tmp_path / "stream", Settings(**PLAIN | FEATURED), append=True)
    assert len(open_stream(tmp_path / "stream")) == 5


def test_a_stream_may_have_no_users_or_items(rows: Path, tmp_path: Path) -> None:
    lacking: list[dict[str, Any]] = [{"user": "none"}, {"item": "none"}, {"user": "none", "item": "none"}]
    for number, settings in enumerate(lacking):
        log = stream(tmp_path / f"stream-{number}", rows, settings | {"numbers": ("price",)})
        assert (log.sizes.users == 1) == ("user" in settings)
        assert (log.sizes.items == 1) == ("item" in settings)
        assert log.longest_history == 0
        assert int(log.parts[0].history_length.max()) == 0
    with pytest.raises(ConfigError, match="leave --users and --items out"):
        Settings(**PLAIN | {"user": "none", "user_numbers": ("age",)})


def test_a_number_among_the_categories_is_pointed_out(rows: Path, tmp_path: Path) -> None:
    done = convert([rows], tmp_path / "stream", Settings(**PLAIN, context=("price", "tags")))
    assert done.like_numbers == ("price",)
    assert "--numbers price" in command.report(done, tmp_path / "stream")
    done = convert([rows], tmp_path / "other", Settings(**PLAIN, numbers=("price",), context=("tags",)))
    assert done.like_numbers == ()


def test_lists_that_are_cut_are_counted(rows: Path, tmp_path: Path) -> None:
    done = convert([rows], tmp_path / "stream", Settings(**PLAIN, lists=("tags",), list_size=3))
    assert done.cut_lists == 1
    assert "1 lists were longer than 3 values" in command.report(done, tmp_path / "stream")
    assert convert([rows], tmp_path / "other", Settings(**PLAIN, lists=("tags",))).cut_lists == 0


def test_a_stream_without_users_names_the_walk_without_histories(rows: Path, tmp_path: Path) -> None:
    done = convert([rows], tmp_path / "stream", Settings(**PLAIN | {"user": "none"}))
    assert "--data.history_size 0" in command.report(done, tmp_path / "stream")


def test_features_that_no_row_has_are_pointed_out(rows: Path, tmp_path: Path) -> None:
    people = write(tmp_path / "users.csv", "u,age\n77,5\n")
    done = convert([rows], tmp_path / "stream", Settings(**PLAIN, user_numbers=("age",)), users=people)
    assert done.without_side == ("user",)
    assert "no row has features of its user" in command.report(done, tmp_path / "stream")


def test_a_stream_without_such_features_keeps_the_settings_that_it_always_had(rows: Path, tmp_path: Path) -> None:
    stream(tmp_path / "stream", rows, {})
    kept = json.loads((tmp_path / "stream" / "convert.json").read_text())
    assert not kept.keys() & {"numbers", "lists", "list_size", "weight", "labels", "user_id", "item_numbers"}
    assert json.loads((tmp_path / "stream" / "stream.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"numbers": ("x",), "context": ("x",)},
            "--numbers x: two features|'x' is given two meanings|--context x: two features",
        ),
        ({"numbers": ("time",)}, "--numbers time: the stream has a column of that name already"),
        ({"user_time": "since"}, "--user-time COL belong together"),
        ({"item_numbers": ("x",)}, "--item-id COL and --categories COL"),
        ({"item_id": "x"}, "--item-id COL and --categories COL"),
        ({"lists": ("x",), "list_size": 0}, "at least 1 value"),
    ],
)
def test_options_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(**PLAIN | settings)


def test_the_command_line_takes_the_features(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"{rows} --out {tmp_path / 'stream'} --user u --item i --time t --label l --numbers price --lists tags"
    words += f" --weight w --labels buy --users {users(tmp_path)} --user-time since --user-numbers age"
    command.run(words.split())
    assert "4 rows written" in capsys.readouterr().out
    assert [feature.name for feature in open_stream(tmp_path / "stream").sizes.numbers] == ["price", "age"]


@pytest.mark.parametrize("name", ["items.parquet", "items.jsonl", "items.csv"])
def test_categories_and_lists_may_be_lists_of_their_format(tmp_path: Path, name: str) -> None:
    items = pl.DataFrame({"id": [9, 31, 1029], "kinds": [["a b", "c"], [], ["c"]], "tags": [["x"], ["x", "y|z"], None]})
    if name.endswith(".csv"):
        write(tmp_path / name, 'id;kinds;tags\n9;["a b", "c"];["x"]\n31;[];["x", "y|z"]\n1029;c;')
    elif name.endswith(".jsonl"):
        items.write_ndjson(tmp_path / name)
    else:
        items.write_parquet(tmp_path / name)
    rows = write(tmp_path / "rows.csv", "u;i;t;l\n7;31;1260759144;0\n8;1029;1260759179;1\n7;9;1260759100;1")
    given: dict[str, Any] = {"item_id": "id", "categories": "kinds", "item_lists": ("tags",)}
    settings = Settings(**PLAIN, **given, delimiter=";", quote="none")
    convert([rows], tmp_path / "stream", settings, items=tmp_path / name)
    assert set(read_names(tmp_path / "stream", "categories")) == {"a b", "c"}
    assert set(read_names(tmp_path / "stream", "list-0")) >= {"x", "y|z"}


def test_numbers_whose_logarithm_counts_are_named_and_an_append_goes_on_with_them(rows: Path, tmp_path: Path) -> None:
    log = stream(tmp_path / "stream", rows, {"numbers": ("price", "w"), "log_numbers": ("price",)})
    assert [(number.name, number.log) for number in log.sizes.numbers] == [("price", True), ("w", False)]
    assert listed(batch_of(log).numbers)[0] == [2.5, 1.0]  # as they were given
    later = write(tmp_path / "later.csv", "u,i,t,l,price,tags,w,buy\n1,7,T+09,1,8,red,1,1")
    convert([later], tmp_path / "stream", Settings.of({}, tmp_path / "stream"), append=True)
    grown = open_stream(tmp_path / "stream")
    assert grown.sizes.numbers == log.sizes.numbers
    values = torch.tensor([2.5, -3, 1e3, 8], dtype=torch.float64)
    logs = values.sign() * values.abs().log1p()
    assert grown.moments(5).mean[0].item() == pytest.approx(logs.mean().item())
    assert grown.moments(3).mean[0].item() == pytest.approx(logs[:2].mean().item())  # of the past alone
    with pytest.raises(ConfigError, match="--log-numbers buy: name the column with --numbers"):
        Settings(**PLAIN, numbers=("price",), log_numbers=("buy",))
