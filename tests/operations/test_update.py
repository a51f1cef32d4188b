"""The daily job: new rows are appended, walked and judged, and the version that passes serves."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from killed import Killed
from operations.shop import ROWS, WALKED, Shop, day
from slowness import slow_but

from asmg_pl.data.stream import open_stream
from asmg_pl.errors import FormatError
from asmg_pl.operations.update import LOCK
from asmg_pl.serving import Store
from asmg_pl.system.lock import locked

PUBLISHED, MENDABLE, HELD_BACK, NOTHING_NEW = 0, 2, 3, 4


def version(days: int) -> str:
    return f"after-period-{WALKED + days:06d}"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_day_is_appended_walked_and_published_and_a_second_call_does_nothing(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.update() == PUBLISHED  # what the first walk has come to
    assert shop.current == version(0)
    assert shop.update(shop.day(0)) == PUBLISHED
    assert shop.current == version(1)
    assert f"published {version(1)} instead of {version(0)} (1 file, {ROWS} rows; walked period 7" in lines(capsys)[-1]
    assert shop.updates()["version"].to_list() == [version(0), version(1)]

    files = {path: path.read_bytes() for path in shop.folder.rglob("*") if path.is_file()}
    assert shop.update(shop.day(0)) == NOTHING_NEW
    assert f"nothing new, {version(1)} serves (1 file passed over" in lines(capsys)[-1]
    assert {path: path.read_bytes() for path in shop.folder.rglob("*") if path.is_file()} == files


def test_rows_of_a_query_and_of_addresses_are_taken_as_files_are(
    shop: Shop, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("adbc_driver_sqlite")
    base, rows = shop.folder / "shop.db", pl.read_csv(shop.day(0))
    with sqlite3.connect(base) as connection:
        connection.execute("create table events (user text, item integer, label integer, time integer)")
        connection.executemany("insert into events values (?, ?, ?, ?)", rows.rows())
    asked = (f"sqlite:///{base}", "--query", "select user, item, label, time from events order by time")
    assert shop.update(*asked) == PUBLISHED
    assert f"published {version(1)} (1 file, {ROWS} rows; walked period 7" in lines(capsys)[-1]
    log = open_stream(shop.stream)
    assert log.time[-ROWS:].tolist() == rows["time"].to_list()
    with caplog.at_level("INFO"):
        assert shop.update(*asked) == NOTHING_NEW
    assert f"sqlite:///{base} is passed over: the stream has its rows, from rows.parquet" in caplog.text
    assert shop.update(f"file://{shop.folder}/day-9*.csv") == MENDABLE
    assert f"file://{shop.folder}/day-9*.csv has no file" in capsys.readouterr().err
    assert shop.update(f"file://{shop.folder}/day-1*.csv") == PUBLISHED
    assert shop.current == version(2)
    assert shop.update("--query", "select 1") == MENDABLE
    assert "--query asks a database: give its address" in capsys.readouterr().err
    assert not [path for path in shop.folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_the_published_version_stands_beside_the_walk_and_the_walk_is_as_without_a_gate(
    shop: Shop, opened: Shop, tmp_path: Path
) -> None:
    shop.update()
    for number in range(2):
        assert shop.update(shop.day(number)) == PUBLISHED
    plain = opened.copied(tmp_path / "plain")
    for number in range(2):
        assert plain.call("convert", plain.day(number), "--out", plain.stream, "--append") == 0
    assert plain.call("fit", "--config", plain.run / "config.yaml", "--ckpt_path", "last") == 0
    assert (shop.run / "metrics.csv").read_bytes() == (plain.run / "metrics.csv").read_bytes()

    table = pl.read_csv(shop.run / "gate.csv")
    assert table.select("version", "period").rows() == [(version(0), 7), (version(1), 8)]
    walked = pl.read_csv(shop.run / "metrics.csv").filter(pl.col("period") >= 7)
    assert table["serving_logloss"].equals(walked["serving_logloss"])
    # The version that was published a day before is the walk's own model: users and items that are new that day aside,
    # it gives the same scores.
    known = table["published_logloss_known"] - table["serving_logloss_known"]
    assert known.abs().max() < 1e-6  # type: ignore[operator]
    assert table["published_logloss"].is_finite().all()


@pytest.mark.slow
def test_formats_are_there_before_a_version_serves_and_what_serves_stays_if_one_cannot_be_written(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.update("--formats", "pt2") == PUBLISHED
    written = shop.store / "formats" / version(0) / "model.pt2"
    before = written.stat().st_mtime_ns
    assert shop.update("--formats", "pt2") == NOTHING_NEW
    assert written.stat().st_mtime_ns == before

    there = sorted(path.name for path in shop.stream.iterdir())
    assert shop.update(shop.day(0), "--formats", "vectors") == MENDABLE  # the shop's model has none
    assert sorted(path.name for path in shop.stream.iterdir()) == there, "it is refused before anything is done"
    assert shop.current == version(0)
    assert shop.updates()["version"].to_list() == [version(0)]
    told = " ".join(capsys.readouterr().err.split())
    assert "does not get vectors, and what serves stays: " in told
    config = shop.run / "config.yaml"
    config.write_text(config.read_text().replace("formats: null", "formats: [pt2]"))
    assert shop.update(shop.day(0)) == PUBLISHED
    assert shop.current == version(1)
    assert (shop.store / "formats" / version(1) / "model.pt2").is_file()
    assert not (shop.store / "formats" / version(1) / "vectors").exists()


@pytest.mark.slow
def test_a_format_that_fails_after_the_walk_keeps_the_version_from_serving(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FormatError("the disk is slow")

    assert shop.update() == PUBLISHED
    with monkeypatch.context() as broken:
        broken.setattr("asmg_pl.cli.updating.write_beside", fail)
        assert shop.update(shop.day(0), "--formats", "pt2") == MENDABLE
    assert shop.current == version(0)
    assert shop.updates()["version"].to_list() == [version(0)]
    assert "does not get pt2, and what serves stays: the disk is slow" in " ".join(capsys.readouterr().err.split())
    assert shop.update("--formats", "pt2") == PUBLISHED
    assert shop.current == version(1)
    assert (shop.store / "formats" / version(1) / "model.pt2").is_file()


def test_a_format_that_does_not_exist_is_refused_before_anything_is_done(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in shop.stream.iterdir())
    assert shop.update(shop.day(0), "--formats", "onx") == MENDABLE
    assert "there is no format 'onx': there are pt2, onnx, vectors" in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in shop.stream.iterdir()) == before


@pytest.mark.slow
def test_a_version_that_is_held_back_is_judged_anew_by_the_next_call(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.update()
    strict = ("--calibration", "0.9999", "1.0")
    assert shop.update(shop.day(0), *strict) == HELD_BACK
    assert shop.current == version(0)
    line = lines(capsys)[-1]
    assert f"held back {version(1)}, {version(0)} goes on serving: calibration is" in line
    assert pl.read_csv(shop.run / "metrics.csv")["period"].max() == 7, "the walk stands"
    assert shop.update(*strict) == HELD_BACK

    assert shop.update(shop.day(1), "--margin", "-9") == HELD_BACK
    assert shop.current == version(0)
    assert "in the mean of period 8, margin -9" in lines(capsys)[-1], "on the first day both are one model"
    assert shop.update("--margin", "9") == PUBLISHED
    assert shop.current == version(2)
    found = shop.updates()
    assert found["outcome"].to_list() == ["published", *["held back"] * 3, "published"]
    assert found["compared"].to_list()[-2:] == ["8", "8"]


def test_force_publishes_and_the_reasons_are_logged(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.update("--calibration", "0.9999", "1.0") == HELD_BACK
    assert "and no version serves yet: calibration is" in lines(capsys)[-1]
    assert shop.current == ""
    assert shop.update("--calibration", "0.9999", "1.0", "--force") == PUBLISHED
    assert "forced against: calibration is" in lines(capsys)[-1]
    assert shop.updates().row(-1, named=True)["forced"]
    assert "calibration" in shop.updates()["reasons"][-1]


@pytest.mark.slow
def test_a_version_that_somebody_took_back_is_not_published_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.update()
    shop.update(shop.day(0))
    Store(shop.store).rollback()
    assert shop.update() == HELD_BACK
    assert f"{version(1)} was published before, and somebody went back to {version(0)}" in lines(capsys)[-1]
    assert shop.update(shop.day(1)) == PUBLISHED, "a newer one may serve"
    assert shop.current == version(2)
    assert "(period 8)" in lines(capsys)[-1], "the version taken back to is compared on the day that it had not made"


def test_a_day_without_a_row_is_nothing_new_and_a_file_that_is_none_an_error(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.update() == PUBLISHED
    path = tmp_path / "quiet.csv"
    path.write_text("user,item,label,time\n")
    assert shop.update(path) == NOTHING_NEW
    told = capsys.readouterr()
    assert "(1 file passed over" in told.out
    assert f"these files have no rows: {path}" in "".join(told.err.split("\n"))
    for content, words in (
        ("", "is empty, without even a header: remove it, or fetch it again"),
        ("user,product,label,time\nu1,2,1,1700600000\n", "there is no column 'item'"),
        ("user,item,label,time\nu1,2,1,4000000000\n", "in the future"),
    ):
        path.write_text(content)
        assert shop.update(path) == MENDABLE
        assert f"{path}" in (said := capsys.readouterr().err)
        assert words in said


@pytest.mark.slow
def test_rows_that_fill_no_period_wait(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop.update()
    half = tmp_path / "half.csv"
    day(WALKED).head(ROWS // 2).write_csv(half)
    assert shop.update(half) == NOTHING_NEW
    assert f"{ROWS // 2} rows wait for their period to be complete" in lines(capsys)[-1]


@pytest.mark.slow
def test_only_the_newest_versions_are_kept(shop: Shop) -> None:
    shop.update()
    for number in range(2):
        shop.update(shop.day(number), "--keep", "2")
    assert Store(shop.store).versions() == [version(1), version(2)]


def test_while_one_program_updates_another_is_told_who_it_is(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(1) as thread, locked(shop.run / LOCK, "", ""):
        # Another thread stands for another program: the lock is that of whoever opened the file.
        assert thread.submit(shop.update).result() == MENDABLE
    assert "is being updated by another program, process" in capsys.readouterr().err


@pytest.mark.parametrize(
    "killed_in", slow_but(["end"], ["append", "walk", "export", "begin", "publish", "end", "prune"])
)
def test_a_call_after_one_that_ended_in_a_stage_does_what_is_left(
    shop: Shop, killed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.update()
    places = {
        "append": "asmg_pl.cli.updating.append",
        "walk": "asmg_pl.cli.updating.walk",
        "export": "asmg_pl.cli.updating.export",
        "begin": "asmg_pl.operations.journal.Journal.begin",
        "publish": "asmg_pl.serving.store.Store.publish",
        "end": "asmg_pl.operations.journal.Journal.end",
        "prune": "asmg_pl.serving.store.Store.prune",
    }

    def killed(*_: object, **__: object) -> None:
        raise Killed

    # Killed right before the stage, and so right after the one before it.
    with monkeypatch.context() as patch:
        patch.setattr(places[killed_in], killed)
        with pytest.raises(Killed):
            shop.update(shop.day(0))
    status = shop.update(shop.day(0))
    assert status == (NOTHING_NEW if killed_in in ("end", "prune") else PUBLISHED)
    assert shop.current == version(1)
    assert shop.updates()["version"].to_list() == [version(0), version(1)]
    assert len(open_stream(shop.stream)) == ROWS * (WALKED + 1)
    assert not (shop.run / ".publishing.json").exists()


def test_a_run_on_another_source_walks_what_is_new_there_and_takes_no_files(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shop.run / "config.yaml"
    config.write_text(config.read_text().replace("asmg_pl.Stream", "asmg_pl.DriftingStream"))
    assert shop.update(shop.day(0)) == MENDABLE
    told = capsys.readouterr().err
    assert "walks DriftingStream, and rows can be added to a stream of asmg convert only: leave the files out" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such.csv"], "there is no file no-such.csv"),
        (["--margin", "nan"], "--margin must be a difference of LogLoss"),
        (["--periods", "0"], "--periods"),
        (["--calibration", "2", "1"], "--calibration needs a lowest and a highest ratio"),
        (["--keep", "0"], "--keep must be -1 or at least 1"),
        (["--wait", "-1"], "--wait must be a number of seconds"),
        (["--follow", "nowhere"], "--follow nowhere is no folder"),
        (["day.csv", "--follow", "."], "give either files or --follow FOLDER"),
        (["--root", "nowhere"], "there is no nowhere"),
        (["--complete-until", "now"], "--complete-until is for periods of the calendar"),
    ],
)
def test_what_cannot_work_is_one_message(
    shop: Shop, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.update(*arguments) == MENDABLE
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.call("update", tmp_path / "nowhere") == MENDABLE
    assert "is no run folder, it has no config.yaml" in capsys.readouterr().err


@pytest.mark.slow
def test_a_version_of_another_stream_is_not_compared(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.update()
    other = Shop.opened(tmp_path / "other", turned=True)
    assert other.update("--store", shop.store) == MENDABLE
    assert "was made of other rows than those of" in capsys.readouterr().err
    assert other.update("--store", shop.store, "--force") == PUBLISHED
    assert shop.current == f"{version(0)}-2"
