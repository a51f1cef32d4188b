"""Preparing data sets with the command."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from end_to_end.program import Finished
from prepare.server import MOVIES, RATINGS, Server, archive, good

from asmg_pl.cli.commands.prepare import run
from asmg_pl.data.sources import MovieLens


def test_a_data_set_is_fetched_checked_unpacked_and_can_be_read(
    server: Server, tmp_path: Path, asmg: Callable[..., Finished]
) -> None:
    content = good()
    server.files = {"small.zip": content, "small.zip.md5": f"{hashlib.md5(content).hexdigest()}  small.zip\n".encode()}
    given = ("prepare", "ml-latest-small", "--folder", tmp_path, "--url", server.url("small.zip"))
    done = asmg(*given)
    assert done.code == 0, done.err
    assert "its MD5 checksum is the publisher's" in done.out
    folder = tmp_path / "ml-latest-small"
    assert f"--data.root {folder}" in done.out
    assert sorted(path.name for path in folder.iterdir()) == ["movies.csv", "ratings.csv"]
    assert len(MovieLens().read(folder)) == 2
    asked = len(server.asked)
    assert "nothing to do" in asmg(*given).out
    assert len(server.asked) == asked


def test_a_wrong_checksum_is_refused_and_the_file_removed(
    server: Server, tmp_path: Path, asmg: Callable[..., Finished]
) -> None:
    server.files = {"small.zip": good(), "small.zip.md5": b"0" * 32}
    given = ("prepare", "ml-latest-small", "--folder", tmp_path, "--url", server.url("small.zip"))
    done = asmg(*given)
    assert done.code == 2
    assert "does not have the MD5 checksum" in done.err
    assert list((tmp_path / "ml-latest-small").iterdir()) == []
    done = asmg(*given, "--sha256", "ab" * 32)
    assert done.code == 2
    assert "has the SHA-256 checksum" in done.err
    assert list((tmp_path / "ml-latest-small").iterdir()) == []


def test_without_the_publishers_checksum_the_users_counts(
    server: Server, tmp_path: Path, asmg: Callable[..., Finished]
) -> None:
    content = good()
    server.files = {"small.zip": content}
    given = ("prepare", "ml-latest-small", "--folder", tmp_path, "--url", server.url("small.zip"))
    done = asmg(*given, "--sha256", hashlib.sha256(content).hexdigest().upper())
    assert done.code == 0, done.err
    assert "the publisher has no checksum of it" in done.out


def test_a_file_that_is_no_archive_is_kept_as_it_is(
    server: Server, tmp_path: Path, asmg: Callable[..., Finished]
) -> None:
    server.files = {"Sobazaar-hashID.csv.gz": gzip.compress(b"x")}
    done = asmg("prepare", "sobazaar", "--folder", tmp_path, "--url", server.url("Sobazaar-hashID.csv.gz"))
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "sobazaar").iterdir()] == ["Sobazaar-hashID.csv.gz"]


def test_a_mirror_may_call_the_file_otherwise(server: Server, tmp_path: Path, asmg: Callable[..., Finished]) -> None:
    content = good()
    server.files = {
        "copy?id=7": content,
        "copy.md5?id=7": hashlib.md5(content).hexdigest().encode(),
        "log": gzip.compress(b"x"),
    }
    done = asmg("prepare", "ml-latest-small", "--folder", tmp_path, "--url", server.url("copy?id=7"))
    assert done.code == 0, done.err
    assert "its MD5 checksum is the publisher's" in done.out
    done = asmg("prepare", "sobazaar", "--folder", tmp_path, "--url", server.url("log"))
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "sobazaar").iterdir()] == ["Sobazaar-hashID.csv.gz"]


def test_an_address_without_a_file_is_refused(server: Server, tmp_path: Path, asmg: Callable[..., Finished]) -> None:
    for name in ("ml-1m", "tmall"):
        done = asmg("prepare", name, "--folder", tmp_path, "--url", server.url(""))
        assert done.code == 2
        assert "names no file: give --url the address of the file itself" in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_escapes_its_folder_is_one_message(
    server: Server, tmp_path: Path, asmg: Callable[..., Finished]
) -> None:
    server.files = {"small.zip": archive(**{"ratings.csv": RATINGS, "movies.csv": MOVIES, "../evil.csv": "x"})}
    done = asmg("prepare", "ml-latest-small", "--folder", tmp_path / "data", "--url", server.url("small.zip"))
    assert done.code == 2
    assert "has '../evil.csv', which leads out of its folder: do not trust it" in done.err
    assert not list(tmp_path.rglob("*.csv"))


def test_what_needs_a_login_says_where_to_put_it(tmp_path: Path, asmg: Callable[..., Finished]) -> None:
    done = asmg("prepare", "tmall", "--folder", tmp_path)
    assert done.code == 2
    assert "log in at" in done.err
    assert f"put user_log_format1.csv in {tmp_path / 'tmall'}" in done.err
    (tmp_path / "tmall").mkdir()
    (tmp_path / "tmall" / "user_log_format1.csv").write_text("…")
    assert "nothing to do" in asmg("prepare", "tmall", "--folder", tmp_path).out


def test_another_name_is_one_message(asmg: Callable[..., Finished]) -> None:
    done = asmg("prepare", "netflix")
    assert done.code == 2
    assert done.err.startswith("asmg: argument NAME: invalid choice: 'netflix' (choose from")


def test_the_command_can_be_called_as_a_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ml-1m").mkdir()
    for name in ("ratings.dat", "movies.dat"):
        (tmp_path / "ml-1m" / name).write_text("…")
    run(["ml-1m", "--folder", str(tmp_path)])
    assert "nothing to do" in capsys.readouterr().out
