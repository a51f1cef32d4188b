"""Inputs from elsewhere: what a store, the web or a database gives is converted like a file, and leaves no trace."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from ports import free_port

from asmg_pl.convert import Settings, convert
from asmg_pl.data.stream import open_stream, read_names
from asmg_pl.errors import ConfigError, DataError

POSITIVE = Settings(user="user", item="item", time="time", all_positive=True)
TABLE = "user,item,time\nu1,7,1600000000\nu2,8,1600000001\n"
MORE = "user,item,time\nu3,9,1600000002\n"
OPTIONS = ("--user", "user", "--item", "item", "--time", "time", "--all-positive")


@pytest.fixture
def shop() -> Iterator[Any]:
    """A folder of a store in memory."""
    store = fsspec.filesystem("memory")
    store.pipe({"/shop/day=1/a.csv": TABLE.encode(), "/shop/day=2/b.csv.gz": gzip.compress(MORE.encode())})
    store.pipe({"/shop/_SUCCESS": b"", "/shop/.hidden/c.csv": b"x"})
    yield store
    store.rm("/shop", recursive=True)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a web server on this machine that serves the folder ``web``."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    (tmp_path / "web").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def asmg(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``asmg convert`` as a process."""
    command = [sys.executable, "-P", "-m", "asmg_pl", "convert", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("memory://shop/day=1/a.csv", 2),
        ("memory://shop/day=2/b.csv.gz", 1),
        ("memory://shop", 3),
        ("memory://shop/*/*.csv*", 3),
    ],
)
def test_files_folders_and_patterns_of_a_store(shop: Any, tmp_path: Path, address: str, rows: int) -> None:
    settings = Settings(user="user", item="item", time="time", all_positive=True, context=("day",))
    assert convert([address], tmp_path / "stream", settings).rows == rows  # the keys of its folders are columns
    assert left(tmp_path) == ["stream"]


def test_a_table_of_items_may_be_elsewhere_too(shop: Any, tmp_path: Path) -> None:
    shop.pipe("/shop/items.csv", b"id,kinds\n7,a|b\n")
    (tmp_path / "rows.csv").write_text(TABLE)
    settings = Settings(user="user", item="item", time="time", all_positive=True, item_id="id", categories="kinds")
    done = convert([tmp_path / "rows.csv"], tmp_path / "stream", settings, items="memory://shop/items.csv")
    assert done.sizes.categories == 2


def test_messages_and_quarantine_name_the_address(shop: Any, tmp_path: Path) -> None:
    shop.pipe("/shop/day=1/a.csv", f"{TABLE}u9,,1600000003\n".encode())
    with pytest.raises(DataError, match=r"\nmemory://shop/day=1/a.csv:4: item '' is not an id"):
        convert(["memory://shop/day=1/a.csv"], tmp_path / "stream", POSITIVE)
    assert left(tmp_path) == []
    convert(["memory://shop"], tmp_path / "stream", POSITIVE, max_bad_rows=1)
    assert "memory://shop/day=1/a.csv,4," in (tmp_path / "stream" / "quarantine.csv").read_text()


def test_a_file_that_was_taken_before_is_known_whatever_its_address(shop: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(TABLE)
    convert([tmp_path / "rows.csv"], tmp_path / "stream", POSITIVE)
    shop.pipe("/shop/copy.csv", TABLE.encode())
    with pytest.raises(DataError, match=r"has taken memory://shop/copy.csv before, as rows.csv"):
        convert(["memory://shop/copy.csv"], tmp_path / "stream", POSITIVE, append=True)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("memory://shop/none.csv", "memory://shop/none.csv cannot be fetched (FileNotFoundError"),
        ("memory://shop/*.parquet", "memory://shop/*.parquet has no file"),
        ("nostore://shop/a.csv", "nostore://shop/a.csv cannot be fetched (ValueError: Protocol not known: nostore"),
    ],
)
def test_what_cannot_be_fetched_is_one_message(shop: Any, tmp_path: Path, address: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        convert([address], tmp_path / "stream", POSITIVE)
    assert words in str(caught.value)
    assert left(tmp_path) == []


def test_files_of_the_web_are_converted_by_the_command(web: str, tmp_path: Path) -> None:
    (tmp_path / "web" / "rows.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    done = asmg(tmp_path, f"{web}/rows.csv.gz?signature=secret", "--out", "stream", *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert "stream: 2 rows written" in done.stdout
    done = asmg(tmp_path, f"{web.replace('//', '//me:secret@')}/none.csv?key=secret", "--out", "other", *OPTIONS)
    assert done.returncode == 2
    assert f"{web}/none.csv cannot be fetched (FileNotFoundError" in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert left(tmp_path) == ["stream", "web"]


def test_rows_of_a_query_are_converted_and_appended_by_the_command(tmp_path: Path) -> None:
    pytest.importorskip("adbc_driver_sqlite")
    with sqlite3.connect(tmp_path / "shop.db") as base:
        base.execute("create table events (who text, what integer, at integer, stars real)")
        rows = [("u1", 7, 1600000000, 4.5), ("u2", 8, 1600000001, 2.0), ("u2", 9, 1600000002, None)]
        base.executemany("insert into events values (?, ?, ?, ?)", rows)
    query = "select who, what, at, stars from events where stars is not null"
    meaning = ("--user", "who", "--item", "what", "--time", "at", "--rating", "stars", "--positive-from", 4)
    done = asmg(tmp_path, "sqlite:///shop.db", "--query", query, "--out", "stream", *meaning)
    assert done.returncode == 0, done.stderr
    log = open_stream(tmp_path / "stream")
    assert read_names(tmp_path / "stream", "items")[log.item.tolist()].to_list() == [7, 8]
    assert log.label.tolist() == [1, 0]
    again = asmg(tmp_path, "sqlite:///shop.db", "--query", query, "--out", "stream", "--append")
    assert again.returncode == 2
    assert "the stream in stream has taken sqlite:///shop.db before" in again.stderr
    with sqlite3.connect(tmp_path / "shop.db") as base:
        base.execute("insert into events values ('u3', 7, 1600000005, 5.0)")
    newer = "select * from events where at > 1600000004"
    done = asmg(tmp_path, f"sqlite:///{tmp_path}/shop.db", "--query", newer, "--out", "stream", "--append")
    assert done.returncode == 0, done.stderr
    assert "the stream has 3 rows of 3 users and 2 items" in done.stdout
    assert left(tmp_path) == ["shop.db", "stream"]


@pytest.mark.parametrize(
    ("files", "query", "words"),
    [
        (["sqlite:///none.db"], "select 1", "there is no database none.db"),
        (["sqlite:///shop.db"], "select nothing", "sqlite:///shop.db does not answer the query 'select nothing': "),
        (["sqlite:///shop.db"], "select 1 as user", "there is no column 'item' (--item)"),
        (["sqlite:///shop.db"], None, "sqlite:///shop.db is a database: say with --query which rows it should give"),
        (["rows.csv"], "select 1", "--query asks one database: give its address in the place of FILE"),
        (["sqlite:///shop.db", "rows.csv"], "select 1", "--query asks one database"),
    ],
)
def test_a_wrong_query_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], query: str | None, words: str
) -> None:
    pytest.importorskip("adbc_driver_sqlite")
    monkeypatch.chdir(tmp_path)
    sqlite3.connect("shop.db").close()
    with pytest.raises((ConfigError, DataError)) as caught:
        convert(files, "stream", POSITIVE, query=query)
    assert words in str(caught.value)
    assert left(tmp_path) == ["shop.db"]


def test_without_the_drivers_the_message_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_manager", None)
    with pytest.raises(DataError, match=r"a database is read through ADBC: pip install 'asmg_pl\[sql\]'"):
        convert(["sqlite:///shop.db"], tmp_path / "stream", POSITIVE, query="select 1")


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server on this machine, where its programs are installed."""
    pytest.importorskip("adbc_driver_postgresql")
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("there is no PostgreSQL server")
    folder = Path("/tmp", f"asmg-postgres-{os.getpid()}")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    run = partial(
        subprocess.run, cwd=folder, check=True, capture_output=True, user="postgres" if not os.getuid() else None
    )
    port = free_port()
    run(["initdb", "-D", folder / "data", "-U", "shop", "-A", "trust"])
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run(["pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-t", "300", "-o", options, "start"])
    try:
        yield f"postgresql://shop:secret@127.0.0.1:{port}/postgres"
    finally:
        run(["pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"])
        shutil.rmtree(folder)


@pytest.mark.slow
def test_rows_of_postgresql(postgres: str, tmp_path: Path) -> None:
    query = (
        "select * from (values ('u1', 7::bigint, timestamptz '2020-09-13 12:26:40+00', true), "
        "('u2', 8, timestamptz '2020-09-13 14:26:41+02', false)) as rows (\"user\", item, time, liked)"
    )
    given = ("--user", "user", "--item", "item", "--time", "time", "--time-unit", "iso", "--label", "liked")
    done = asmg(tmp_path, postgres, "--query", query, "--out", "stream", *given)
    assert done.returncode == 0, done.stderr
    log = open_stream(tmp_path / "stream")
    assert log.time.tolist() == [1600000000, 1600000001]
    assert log.label.tolist() == [1, 0]
    wrong = asmg(tmp_path, postgres, "--query", "select * from nothing", "--out", "other", *given)
    assert wrong.returncode == 2
    assert 'relation "nothing" does not exist' in wrong.stderr
    assert "secret" not in wrong.stderr
