"""``asmg convert``: from the command line to a stream that the next command walks."""

from __future__ import annotations

import gzip
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asmg_pl.cli.commands.convert import GROUPS
from asmg_pl.cli.main import main
from asmg_pl.convert import Settings, convert
from asmg_pl.data.stream import open_stream, read_names

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``asmg convert`` in a folder with a small table: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("who,what,stars,when,device,hour\n1,x,5,1400000000,tv,9\n2,y,1,1500000000,,10\n")
    (tmp_path / "items.csv").write_text("id,kinds\nx,a/b\n")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["asmg", "convert", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return (int(stop.code or 0), *capsys.readouterr())
        return (0, *capsys.readouterr())

    return call


COLUMNS = ("--user", "who", "--item", "what", "--time", "when")
RATED = (*COLUMNS, "--rating", "stars", "--positive-from", "4")


def test_tables_become_a_stream_and_the_next_command_is_named(run: Run) -> None:
    items = ("--items", "items.csv", "--item-id", "id", "--categories", "kinds", "--separator", "/")
    code, out, err = run("rows.csv", "--out", "new/stream", *RATED, *items, "--context", "device", "hour")
    assert code == 0, err
    first, second, last = out.splitlines()
    assert first == (
        "new/stream: 2 rows written, from 2014-05-13 16:53:20 to 2017-07-14 02:40:00 UTC, mean of labels 0.5000"
    )
    assert second == "the stream has 2 rows of 2 users and 2 items, 2 categories"
    assert last.startswith("walk it: asmg fit --model ASMG --data.source Stream --data.root new/stream ")
    assert open_stream(Path("new/stream")).sizes[:3] == (2, 2, 2)


def test_of_a_stream_of_positives_it_says_that_a_walk_needs_negatives_and_the_command_draws_them(run: Run) -> None:
    code, out, err = run("rows.csv", "--out", "stream", *COLUMNS, "--all-positive")
    assert code == 0, err
    *_, said, last = out.splitlines()
    assert said.startswith("all rows of the stream are positive, and a walk without negatives is refused")
    assert said.endswith("--all-positive --negatives 1")
    assert "--data.root stream --data.negatives Fresh --trainer" in last


def test_what_is_left_out_is_told(run: Run) -> None:
    with Path("rows.csv").open("a") as file:
        file.write("3,z,,1500000000,,\n1,y,4,1600000000,,\n")
    code, out, _ = run("rows.csv", "--out", "stream", *RATED, "--max-bad-rows", 1, "--end", "2017-12-31")
    assert code == 0
    assert "left out: 1 malformed rows, see stream/quarantine.csv" in out
    assert "left out: 1 rows before --start or after --end" in out


def test_items_that_are_written_otherwise_are_told(run: Run) -> None:
    Path("items.csv").write_text("id,kinds\nX,a\n")
    given = ("--items", "items.csv", "--item-id", "id", "--categories", "kinds")
    assert "no item has a category: are the ids" in run("rows.csv", "--out", "stream", *RATED, *given)[1]


def test_a_stream_without_positives_is_told(run: Run) -> None:
    given = (*COLUMNS, "--rating", "stars", "--positive-from", "6")
    assert "no row is positive" in run("rows.csv", "--out", "stream", *given)[1]


def test_a_stream_of_positives_is_told_how_to_get_negatives(run: Run) -> None:
    assert "data.negatives" in run("rows.csv", "--out", "stream", *COLUMNS, "--all-positive")[1]


def test_appending_needs_no_options_but_the_file(run: Run) -> None:
    run("rows.csv", "--out", "stream", *RATED)
    with Path("rows.csv").open("a") as file:
        file.write("2,x,3,1600000000,,\n")
    code, out, err = run("rows.csv", "--out", "stream", "--append", "--start", "2017-07-15")
    assert code == 0, err
    assert "stream: 1 rows written" in out
    assert "the stream has 3 rows of 2 users and 2 items" in out


def test_rows_that_are_there_already_are_refused_with_two_ways_out(run: Run) -> None:
    run("rows.csv", "--out", "stream", *RATED)
    code, _, err = run("rows.csv", "--out", "stream", "--append")
    assert code == 2
    assert "the stream in stream has taken rows.csv before, as rows.csv: nothing was written" in err
    Path("more.csv").write_text(Path("rows.csv").read_text() + "3,z,5,1500000001,,\n")
    again = ("more.csv", "--out", "stream", "--append", "--start", "2017-07-14", "--end", "2017-07-14")
    code, _, err = run(*again)
    assert code == 2
    assert "has 1 of the 1 rows up to then already, as that of user 2 and item 'y' at 2017-07-14 02:40:00 UTC" in err
    newest = ("rows.csv", "--out", "stream", "--append", "--start", "2017-07-14")
    assert run(*newest, "--repeated", "drop")[0] == 2  # and then there is none
    assert "the stream has 3 rows" in run(*newest, "--repeated", "keep")[1]


def test_late_rows_are_refused_with_three_ways_out(run: Run) -> None:
    run("rows.csv", "--out", "stream", *RATED)
    Path("late.csv").write_text("who,what,stars,when\n3,x,5,1499999999\n3,x,,1600000000\n3,z,5,1600000000\n")
    code, _, err = run("late.csv", "--out", "stream", "--append")
    assert code == 2
    assert "late.csv:2: its time is earlier than the stream's end, 2017-07-14 02:40:00 UTC (row: '3,x,5,1499999" in err
    assert "--max-bad-rows 2" in err
    assert "1 of them are earlier than the stream's end: " in err
    assert "1 malformed row" in run("late.csv", "--out", "stream", "--append", "--late", "drop")[2]
    code, out, err = run("late.csv", "--out", "stream", "--append", "--late", "drop", "--max-bad-rows", 1)
    assert code == 0, err
    assert "left out: 1 malformed rows, see stream/quarantine.csv" in out
    assert "left out: 1 rows earlier than the stream's end\n" in out


@pytest.mark.parametrize("late", ["drop", "quarantine", "next"])
def test_what_becomes_of_late_rows_is_said(run: Run, late: str) -> None:
    run("rows.csv", "--out", "stream", *RATED)
    Path("late.csv").write_text("who,what,stars,when\n3,x,5,1499999999\n3,z,5,1600000000\n")
    code, out, err = run("late.csv", "--out", "stream", "--append", "--late", late)
    assert code == 0, err
    assert {
        "drop": "left out: 1 rows earlier than the stream's end\n",
        "quarantine": "left out: 1 rows earlier than the stream's end, see stream/quarantine.csv\n",
        "next": "1 rows were earlier than the stream's end, and have its time now: they count in the period that",
    }[late] in out
    assert Path("stream/quarantine.csv").exists() == (late == "quarantine")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "stream", *RATED], ["FILE"]),
        (["rows.csv", *RATED], ["--out"]),
        (["rows.csv", "--out", "s", *COLUMNS], ["which rows are positive?", "--label COL", "--all-positive"]),
        (["rows.csv", "--out", "s", *COLUMNS[:2], "--label", "x"], ["Name them with --item, --time"]),
        (["rows.csv", "--out", "s", *COLUMNS, "--rating", "stars"], ["--positive-from X belong together"]),
        (
            ["rows.csv", "--out", "s", *RATED, "--negatives", 1],
            ["--negatives are drawn", "give --all-positive"],
        ),
        (["rows.csv", "--out", "s", *COLUMNS, "--all-positive", "--negatives", -1], ["must not be negative, got -1"]),
        (["rows.csv", "--out", "s", *RATED, "--time-unit", "day"], ["--time-unit", "day", "iso"]),
        (["rows.csv", "--out", "s", *RATED, "--max-bad-rows", "few"], ["--max-bad-rows", "few"]),
        (["rows.csv", "--out", "s", *RATED, "--quote", "''"], ["--quote must be one character, or none"]),
        (["rows.csv", "--out", "s", *RATED, "--context", "user"], ["--context user", "rename"]),
        (["rows.csv", "--out", "s", *RATED, "--categories", "c"], ["--item-id COL and --categories COL"]),
        (["rows.csv", "--out", "s", *RATED, "--maximum", 1], ["--maximum"]),
        (["rows.csv", "--out", "s", *RATED, "--where", "stars = 5"], ["--where 'stars = 5' is no condition: write"]),
        (
            ["rows.csv", "--out", "s", *RATED, "--where", "star > 5"],
            ["no column 'star' (--where): did you mean 'stars'"],
        ),
        (["rows.csv", "--out", "s", *RATED, "--where", "stars > 5"], ["no row to convert: --where leaves out 2 rows"]),
        (["rows.csv", "--out", "s", *RATED, "--clicked", "what"], ["name these with --impressions"]),
        (["rows.csv", "--out", "s", *RATED, "--time-format", "%H:%M"], ["'%H:%M' does not say how a day is written"]),
        (
            ["rows.csv", "--out", "s", *RATED, "--time-format", "%Y-%m-%d"],
            ["2 malformed rows", "is not written as %Y-%m-%d (--time-format)"],
        ),
        (["rows.csv", "--out", "s", *RATED, "--positive", "5"], ["--positive names values of a column of events"]),
        (["rows.csv", "--out", "s", *RATED, "--carry", 40_000], ["--carry must be from 0 to 32767, got 40000"]),
        (["nothing.csv", "--out", "s", *RATED], ["there is no file nothing.csv"]),
        (["rows.csv", "--out", "s", *RATED, "--user", "id"], ["no column 'id' (--user)"]),
    ],
)
def test_an_error_is_one_message_and_status_2(run: Run, arguments: list[object], words: list[str]) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert not Path("s").exists()
    for word in words:
        assert word in err


HEADER, SOUND = "who,what,stars,when\n", "1,x,5,1400000000\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("types.csv", HEADER + "1,x,good,today\n", ["'stars' (--rating): none of", "'when' (--time): none of"]),
        (
            "twice.csv",
            "who,who,stars,when\n" + SOUND,
            ["column 'who' stands in the header 2 times", "no column 'what'"],
        ),
        ("nul.csv", HEADER + SOUND + "1,\0,5,1400000000\n", ["nul.csv:3: the row has NUL bytes"]),
        ("ms.csv", HEADER + "1,x,5,1400000000000\n", ["reads like milliseconds", "give --time-unit ms"]),
        ("cut.csv.gz", gzip.compress((HEADER + SOUND * 9).encode(), mtime=0)[:-9], ["cut.csv.gz cannot be unpacked"]),
        ("plain.csv.gz", HEADER + SOUND, ["plain.csv.gz cannot be unpacked"]),
        ("empty.csv", "", ["empty.csv is empty, without even a header"]),
        ("header.csv", HEADER, ["no row to convert: these files have no rows: header.csv"]),
        ("latin.csv", HEADER.encode() + b"\xe9,x,5,1400000000\n", ["latin.csv:2: byte 0xe9 is not UTF-8"]),
        ("binary.csv", bytes(5000), ["the header has NUL bytes"]),
    ],
)
def test_a_hostile_file_is_one_message_and_leaves_nothing(
    run: Run, name: str, content: str | bytes, words: list[str]
) -> None:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = run(name, "--out", "s", *RATED)
    assert (code, out) == (2, "")
    assert err.startswith("asmg: ")
    assert "Traceback" not in err
    assert len(err) < 500
    for word in words:
        assert word in err
    assert not Path("s").exists()


def test_odd_but_sound_files_are_read(run: Run) -> None:
    """Times in no order, numbers and text as ids, in any script."""
    Path("odd.csv").write_text("ユーザー,what,stars,when\nЖ,🎬,5,1500000000\n7,x y,1,1400000000\n", encoding="utf-8")
    code, out, err = run("odd.csv", "--out", "stream", "--user", "ユーザー", *RATED[2:])
    assert code == 0, err
    assert "the stream has 2 rows of 2 users and 2 items" in out
    log = open_stream(Path("stream"))
    assert log.time.tolist() == [1400000000, 1500000000]
    assert read_names(Path("stream"), "users")[log.user.tolist()].to_list() == ["7", "Ж"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--usr", "there is no option --usr: did you mean --user?"),
        ("--time_unit", "there is no option --time_unit: did you mean --time-unit?"),
        ("--max-bad-row=3", "there is no option --max-bad-row: did you mean --max-bad-rows?"),
        ("-user", "there is no option -user: did you mean --user?"),
        ("--zzzzzzz", "there is no option --zzzzzzz\n"),
    ],
)
def test_a_misspelt_option_is_told_with_the_likely_one(run: Run, given: str, words: str) -> None:
    code, out, err = run("rows.csv", given, "x")  # also where a needed one is missing because of it
    assert (code, out) == (2, "")
    assert words in err


def test_names_of_columns_are_given_with_commas(run: Run) -> None:
    Path("plain.csv").write_text("1,x,1400000000\n2,y,1500000000\n")
    code, out, err = run("plain.csv", "--out", "s", *COLUMNS, "--all-positive")
    assert code == 2
    assert (
        "plain.csv: it has no header, its first line is '1', 'x', '1400000000': name its columns with --columns" in err
    )
    code, out, err = run("plain.csv", "--out", "s", *COLUMNS, "--all-positive", "--columns", "who,what,when")
    assert code == 0, err
    assert "s: 2 rows written" in out


def test_missing_values_and_spellings_are_given_by_name(run: Run) -> None:
    Path("odd.csv").write_text("who,what,stars,when\n01,x,5,1400000000\n\\N,y,1,1500000000\n1,x,5,1400000000\n")
    code, _, err = run("odd.csv", "--out", "s", *RATED)
    assert code == 2
    assert r"give --missing '\N' if it does" in err
    code, _, err = run("odd.csv", "--out", "s", *RATED, "--missing", r"\N", "NA", "--max-bad-rows", 1)
    assert code == 2
    assert "are '01' (odd.csv:2) and '1' (odd.csv:4) the same user?" in err
    given = ("--missing", r"\N", "NA", "--max-bad-rows", 1, "--ids", "unified")
    code, out, err = run("odd.csv", "--out", "s", *RATED, *given)
    assert code == 0, err
    assert "the stream has 2 rows of 1 users and 1 items" in out


def test_rows_are_chosen_and_labelled_by_their_event(run: Run) -> None:
    Path("shop.csv").write_text(
        "who,what,event,when,price\n1,x,view,1400000000,\n1,x,addtocart,1400000001,5\n2,y,transaction,1400000002,7\n"
        "2,y,remove,1400000003,7\n2,z,view,1400000004,1\n"
    )
    labelled = (*COLUMNS, "--label", "event", "--positive", "addtocart,transaction")
    where = ("--where", "event in (view, addtocart, transaction)", "--where", "price != 1")
    code, out, err = run("shop.csv", "--out", "s", *labelled, *where)
    assert code == 0, err
    assert "s: 3 rows written" in out
    assert "left out: 2 rows by --where" in out
    assert open_stream(Path("s")).label.tolist() == [0, 1, 1]
    assert "no row has the event" not in out
    misspelt = (*COLUMNS, "--label", "event", "--positive", "addtocart,transactoin,buy")
    _, out, _ = run("shop.csv", "--out", "t", *misspelt)
    assert "no row has the event 'transactoin' or 'buy': is --positive written as in the files?" in out
    # An append goes on with the same conditions and kinds.
    Path("more.csv").write_text("who,what,event,when,price\n3,x,remove,1400000005,\n3,x,transaction,1400000006,9\n")
    code, out, err = run("more.csv", "--out", "s", "--append")
    assert code == 0, err
    assert open_stream(Path("s")).label.tolist() == [0, 1, 1, 1]
    code, _, err = run("more.csv", "--out", "s", "--append", "--positive", "view")
    assert code == 2
    assert "--positive is addtocart transaction there, view here" in err


def test_an_event_that_is_missing_is_malformed(run: Run) -> None:
    Path("shop.csv").write_text("who,what,event,when\n1,x,view,1400000000\n1,x,,1400000001\n")
    code, _, err = run("shop.csv", "--out", "s", *COLUMNS, "--label", "event", "--positive", "buy")
    assert code == 2
    assert "shop.csv:3: label '' is not the kind of an event" in err


def test_json_lines_are_converted_like_a_table(run: Run) -> None:
    Path("rows.jsonl").write_text(
        '{"who": {"id": "u1"}, "what": "x", "stars": 5.0, "when": 1400000000}\n'
        '{"who": {"id": "u2"}, "what": "y", "stars": 1, "when": 1500000000, "device": "tv"}\n'
    )
    given = ("--user", "who.id", *RATED[2:], "--context", "device")
    code, out, err = run("rows.jsonl", "--out", "s", *given)
    assert code == 0, err
    assert "the stream has 2 rows of 2 users and 2 items" in out
    code, _, err = run("rows.jsonl", "--out", "t", *given, "--context", "hour", "--user", "who.i")
    assert code == 2
    assert "no column 'who.i' (--user): did you mean 'who.id'?" in err
    with Path("rows.jsonl").open("a") as file:
        file.write('{"who": {"id": "u3"}, "what": "z", "stars": 4, "wh')
    code, _, err = run("rows.jsonl", "--out", "t", *given)
    assert code == 2
    assert "rows.jsonl:3: the row is not a JSON object of these columns: Unterminated string" in err


def test_impressions_become_rows_of_shown_items(run: Run) -> None:
    Path("seen.tsv").write_text(
        "who\tat\tlist\nu1\t11/11/2019 9:05:58 AM\tN1-1 N2-0\nu2\t11/12/2019 1:05:58 PM\tN2-0 N3-0 N1-1\n"
    )
    given = ("--user", "who", "--impressions", "list", "--time", "at", "--time-format", "%m/%d/%Y %I:%M:%S %p")
    code, out, err = run("seen.tsv", "--out", "s", *given)
    assert code == 0, err
    assert "s: 5 rows written, from 2019-11-11 09:05:58 to 2019-11-12 13:05:58 UTC, mean of labels 0.4000" in out
    log = open_stream(Path("s"))
    assert read_names(Path("s"), "items")[log.item.tolist()].to_list() == ["N1", "N2", "N2", "N3", "N1"]
    assert log.label.tolist() == [1, 0, 0, 0, 1]
    Path("more.tsv").write_text("who\tat\tlist\nu1\t11/13/2019 9:05:58 AM\tN3-1\nu1\t11/13/2019 9:06:00 AM\tN3\n")
    code, _, err = run("more.tsv", "--out", "s", "--append")
    assert code == 2
    assert "more.tsv:3: shown item 'N3' has no flag -0 or -1: name the column of clicked items with --clicked" in err
    assert run("more.tsv", "--out", "s", "--append", "--max-bad-rows", 1)[0] == 0
    # Only the clicks, with negatives of their own.
    clicks = ("--where", "list.clicked == 1", "--all-positive", "--negatives", 1)
    code, out, err = run("seen.tsv", "--out", "t", *given, *clicks)
    assert code == 0, err
    assert "left out: 3 rows by --where" in out


def test_stray_quotes_are_told_with_the_option_that_mends_them(run: Run) -> None:
    Path("vinyl.csv").write_text('who,what,stars,when\n1,12" mix,5,1400000000\n')
    code, _, err = run("vinyl.csv", "--out", "s", *RATED)
    assert code == 2
    assert 'a " stands where no field begins or ends: give --quote none if quotes are text here' in err
    assert run("vinyl.csv", "--out", "s", *RATED, "--quote", "none")[0] == 0


def test_help_fits_a_page_and_has_every_option_in_one_group(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert len(set(named)) == len(named)
    for columns in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        _, out, _ = run("--help")
        assert max(map(len, out.splitlines())) <= 100
        for title in GROUPS:
            assert f"\n{title}:\n" in out
    assert len(out.splitlines()) < 160


def test_help_explains_every_option(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in (inspect.signature(Settings).parameters.keys() | inspect.signature(convert).parameters.keys()) - {
        "files",
        "settings",
    }:
        assert f"--{name.replace('_', '-')} " in out
    assert "FILE" in out
