"""Downloads, from a server that keeps to the rules or breaks them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from prepare.server import Server

from asmg_pl.errors import DataError
from asmg_pl.prepare.download import download


def test_a_connection_that_breaks_is_taken_up_again_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files, server.cut = {"file": bytes(range(256)) * 40}, 4000
    download(server.url("file"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.files["file"]
    assert server.asked == [("file", None), ("file", "bytes=4000-"), ("file", "bytes=8000-")]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_has_come_is_kept_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.files, server.cut = {"file": bytes(range(256)) * 40}, 2000
    with pytest.raises(DataError, match=r"cut off after 6,000 of 10,240 bytes\); .*file\.part keeps the bytes so far"):
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


@pytest.mark.parametrize(
    ("url", "message"),
    [("missing.zip", "answers 404"), ("file:///etc/passwd", "not an address"), ("http://127.0.0.1:1/x", "be fetched")],
)
def test_what_cannot_be_fetched_is_said(server: Server, tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        download(url if ":" in url else server.url(url), tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


# ---- servers that break the rules


class Odd:
    """Answers each connection with the same bytes, whatever is asked."""

    def __init__(self, answer: bytes, endless: bytes = b"") -> None:
        self.answer, self.endless = answer, endless
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/small.zip"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(self.answer.replace(b"HERE", self.url.encode()))
                    while self.endless:
                        connection.sendall(self.endless)


def answer(*headers: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""]).encode() + body


ZIP = b"PK\3\4" + b"x" * 100
ODD = {
    "a length that is no number": (answer("Content-Length: abc", body=ZIP), "length 'abc', which is no number"),
    "a negative length": (answer("Content-Length: -5", body=ZIP), "length '-5', which is no number"),
    "a huge length": (answer("Content-Length: 99999999999999999999", body=ZIP), "has 99,999,999,999,999,999,999 bytes"),
    "two lengths": (answer("Content-Length: 104, 7", body=ZIP), "no number of bytes"),
    "less than was said": (answer("Content-Length: 500", body=ZIP), "cut off after 104 of 500 bytes"),
    "a negative chunk": (answer("Transfer-Encoding: chunked", body=b"-1\r\n" + ZIP), "cannot be fetched"),
    "a far negative chunk": (answer("Transfer-Encoding: chunked", body=b"-5\r\n" + ZIP), "cannot be fetched"),
    "a chunk of no number": (answer("Transfer-Encoding: chunked", body=b"zz\r\n" + ZIP), "cannot be fetched"),
    "a chunk that is cut": (answer("Transfer-Encoding: chunked", body=b"ff\r\n" + ZIP), "cannot be fetched"),
    "a part that was not asked for": (
        answer("Content-Range: bytes 50-153/154", "Content-Length: 104", body=ZIP, status="206 Partial Content"),
        "the server resumes at byte",
    ),
    "packed once more": (answer("Content-Encoding: gzip", body=ZIP), "packs the file once more"),
    "a web page": (answer("Content-Type: text/html", body=b"<!DOCTYPE html><p>Log in"), "is a web page, not small.zip"),
    "some other file": (answer(body=b"hello"), "is another file, not small.zip"),
    "nothing": (answer("Content-Length: 0"), "is empty"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
    "a closed connection": (b"", "cannot be fetched"),
    "a redirection to a file": (
        answer("Location: file:///etc/passwd", status="302 Found"),
        r"not an address that begins|answers 302",
    ),
    "a redirection to FTP": (answer("Location: ftp://127.0.0.1/x", status="302 Found"), "not an address that begins"),
    "a redirection to nowhere": (answer("Location: http://[::1", status="302 Found"), r"no address|cannot be fetched"),
    "a redirection to itself": (answer("Location: HERE", status="302 Found"), "answers 302"),
    "a redirection without a place": (answer(status="302 Found"), "answers 302"),
    "an endless header": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500, "cannot be fetched"),
    "a forbidden page": (answer(status="403 Forbidden"), "answers 403"),
    "a status that is no number": (b"HTTP/1.1 two OK\r\n\r\n", "cannot be fetched"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_server_is_one_error_and_leaves_no_file(tmp_path: Path, kind: str) -> None:
    content, message = ODD[kind]
    with pytest.raises(DataError, match=message):
        download(Odd(content).url, tmp_path / "small.zip", 10_000)
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"small.zip.part"}, "what has come may be gone on with, and has another name"


def test_an_endless_body_is_stopped_at_the_bound(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"more than 3,000,000 bytes: raise --max-bytes"):
        download(Odd(answer(body=ZIP), endless=bytes(1 << 16)).url, tmp_path / "small.zip", 3_000_000)
    assert list(tmp_path.iterdir()) == []


def test_an_endless_body_is_stopped_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=(64 << 20) + 2_000_000))
    with pytest.raises(DataError, match=r"the disk has room for 2,000,000 bytes: free some, or give another --folder"):
        download(Odd(answer(body=ZIP), endless=bytes(1 << 16)).url, tmp_path / "small.zip", 1 << 40)
    assert list(tmp_path.iterdir()) == []


def test_what_comes_in_good_chunks_is_whole(tmp_path: Path) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ZIP), ZIP)
    download(Odd(answer("Transfer-Encoding: chunked", "Content-Length: 3", body=body)).url, tmp_path / "small.zip")
    assert (tmp_path / "small.zip").read_bytes() == ZIP


@pytest.mark.parametrize(
    "url",
    [
        *("http://[::1", "http://", "http:///x", "https:/x.zip", "http://127.0.0.1:99999/x", "http://127.0.0.1:abc/x"),
        *("http://a b/x", "http://127.0.0.1/a b.zip", "http://127.0.0.1/a\nb", "http://127.0.0.1/caf\u00e9.zip"),
        *(
            "http://xn--\u00e9.com/x",
            "http://" + "a" * 70 + ".com/x",
            "http://a..b/x",
            "ftp://127.0.0.1/x",
            "x.zip",
            "",
        ),
        *("file:///etc/passwd", "javascript:alert(1)", "//127.0.0.1/x", "HTTP//x", "http://\u2100.com/x"),
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match=r"address|server|begins with"):
        download(url, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []
