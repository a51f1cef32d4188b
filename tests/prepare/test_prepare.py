"""Preparing data sets, against a server on this machine that can also misbehave."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from end_to_end.program import Finished

from asmg_pl.cli import main
from asmg_pl.data.sources import MovieLens
from asmg_pl.errors import DataError
from asmg_pl.prepare.command import run
from asmg_pl.prepare.download import download
from asmg_pl.prepare.unpack import unpack

RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,100\n2,1,3.0,200\n"
MOVIES = "movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n"
FILES = ("ratings.csv", "movies.csv")


class Server(ThreadingHTTPServer):
    """Serves files from memory.

    Attributes:
        files: content by path.
        version: the mark of their version.
        cut: bytes after which each connection breaks, if it does.
        ranges: whether parts can be asked for.
        asked: path and range of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.version, self.cut, self.ranges = '"1"', 0, True
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET, with ranges."""

    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path[1:], asked))
        content = self.server.files.get(self.path[1:])
        if content is None:
            self.send_error(404)
            return
        begin = 0
        if asked and self.server.ranges and self.headers.get("If-Range") == self.server.version:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if begin else 200)
        self.send_header("ETag", self.server.version)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : begin + self.server.cut if self.server.cut else None])

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def archive(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as content:
        for name, text in members.items():
            content.writestr(name, text)
    return file.getvalue()


def good() -> bytes:
    return archive(**{"ml-latest-small/README.txt": "…", "ml-latest-small/ratings.csv": RATINGS,
                      "ml-latest-small/movies.csv": MOVIES})  # fmt: skip


@pytest.fixture
def asmg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    def call(*arguments: object) -> Finished:
        code = 0
        monkeypatch.setattr("sys.argv", ["asmg", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Finished(code, *capsys.readouterr())

    return call


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


def test_a_connection_that_breaks_is_taken_up_again_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files, server.cut = {"file": bytes(range(256)) * 40}, 4000
    download(server.url("file"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.files["file"]
    assert server.asked == [("file", None), ("file", "bytes=4000-"), ("file", "bytes=8000-")]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_has_come_is_kept_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.files, server.cut = {"file": bytes(range(256)) * 40}, 2000
    with pytest.raises(DataError, match=r"cut off after 6,000 of 10,240 bytes\); .*file\.part keeps what has come"):
        download(server.url("file"), tmp_path / "file")
    server.cut = 0
    download(server.url("file"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.files["file"]
    assert server.asked[-1] == ("file", "bytes=6000-")


@pytest.mark.parametrize("ranges", [True, False])
def test_another_version_or_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.files, server.cut = {"file": b"old" * 3000}, 2000
    with pytest.raises(DataError):
        download(server.url("file"), tmp_path / "file")
    server.cut, server.ranges = 0, ranges
    server.files, server.version = {"file": b"new" * 3000}, '"2"'
    download(server.url("file"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.files["file"]


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
    server.files = {"copy?id=7": content, "copy.md5?id=7": hashlib.md5(content).hexdigest().encode(), "log": gzip.compress(b"x")}
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


@pytest.mark.parametrize(
    ("url", "message"),
    [("missing.zip", "answers 404"), ("file:///etc/passwd", "not an address"), ("http://127.0.0.1:1/x", "be fetched")],
)
def test_what_cannot_be_fetched_is_said(server: Server, tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        download(url if ":" in url else server.url(url), tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_another_name_is_one_message(asmg: Callable[..., Finished]) -> None:
    done = asmg("prepare", "netflix")
    assert done.code == 2
    assert done.err.startswith("asmg: argument NAME: invalid choice: 'netflix' (choose from")


# ---- archives


def packed(path: Path, content: bytes) -> Path:
    (path / "x.zip").write_bytes(content)
    return path / "x.zip"


@pytest.mark.parametrize("name", ["../ratings.csv", "/etc/ratings.csv", "a/../../x", "..\\ratings.csv", "C:\\x"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    content = archive(**{"ratings.csv": RATINGS, "movies.csv": MOVIES, name: "evil"})
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(packed(tmp_path, content), tmp_path / "to" / "here", FILES, 10_000)
    assert list((tmp_path / "to" / "here").iterdir()) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO(archive(**{"ratings.csv": RATINGS}))
    with zipfile.ZipFile(file, "a") as content:
        link = zipfile.ZipInfo("movies.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        content.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="has a link"):
        unpack(packed(tmp_path, file.getvalue()), tmp_path / "to", FILES, 10_000)


def test_an_archive_that_grows_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    content = archive(**{"ratings.csv": "0" * 1_000_000, "movies.csv": MOVIES})
    with pytest.raises(DataError, match="more than 10,000 bytes when unpacked"):
        unpack(packed(tmp_path, content), tmp_path / "to", FILES, 10_000)
    assert list((tmp_path / "to").iterdir()) == []


def patched(place: int, value: int) -> bytes:
    """An archive with another byte at a place of each member's flags (0) and method (2), in both of its headers."""
    content = bytearray(good())
    for header, fields in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := content.find(header, at + 1)) >= 0:
            content[at + fields + place] = value
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no archive", good()[:-30], good()[:200] + b"\0" * 50 + good()[250:]),
        pytest.param(patched(0, 1), id="password"),
        pytest.param(patched(2, 99), id="unknown compression"),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="damaged or no zip archive"):
        unpack(packed(tmp_path, content), tmp_path / "to", FILES, 10_000)
    assert list((tmp_path / "to").iterdir()) == []


def test_an_archive_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no movies\.csv: is it the right file"):
        unpack(packed(tmp_path, archive(**{"ratings.csv": RATINGS})), tmp_path / "to", FILES, 10_000)


def test_the_command_can_be_called_as_a_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ml-1m").mkdir()
    for name in ("ratings.dat", "movies.dat"):
        (tmp_path / "ml-1m" / name).write_text("…")
    run(["ml-1m", "--folder", str(tmp_path)])
    assert "nothing to do" in capsys.readouterr().out
