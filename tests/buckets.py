"""An S3 server on this machine, and a proxy before it that puts faults in between."""

from __future__ import annotations

import http.client
import logging
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import fsspec
import pytest

#: What the program and the processes that it starts find in the environment. It is the program that tries again.
CREDENTIALS = {
    **{"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"},
    **{"AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1"},
}


@dataclass
class Faults:
    """What the proxy does to requests; nothing by default.

    Attributes:
        failing: the share that is answered with 500.
        slowing: the share that is answered with 503 Slow Down.
        cutting: the share of answers with a body that end in the middle of it, and of uploads that are cut off.
        losing: the share of writes whose answer is lost: the server has done them.
        expired: the key of the credentials that have run out; empty for none.
        down: whether no request is answered.
        seen: the requests, as method and path.
    """

    failing: float = 0.0
    slowing: float = 0.0
    cutting: float = 0.0
    losing: float = 0.0
    expired: str = ""
    down: bool = False
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = Lock()
        self.mend()

    def mend(self) -> None:
        """Do nothing to requests from now on."""
        self.failing = self.slowing = self.cutting = self.losing = 0.0
        self.expired, self.down = "", False
        self.asked, self.done = Counter[str](), list[str]()

    def happens(self, share: float, what: str) -> bool:
        """Whether a fault comes now: regularly, so that all kinds come however the requests are mixed."""
        if not share:
            return False
        with self.lock:
            self.asked[what] += 1
            if self.asked[what] % round(1 / share) != len(what) % round(1 / share):
                return False
            self.done.append(what)
            return True


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code} of the tests</Message></Error>".encode()


def _handler(server: tuple[str, int], faults: Faults) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            faults.seen.append(f"{self.command} {self.path}")
            if faults.down or (self.command == "PUT" and faults.happens(faults.cutting, "cut upload")):
                self.close_connection = True
                return
            if faults.expired and faults.expired in self.headers.get("Authorization", ""):
                return self.answer(400, [], _error("ExpiredToken"))
            if faults.happens(faults.failing, "500"):
                return self.answer(500, [], _error("InternalError"))
            if faults.happens(faults.slowing, "503"):
                return self.answer(503, [], _error("SlowDown"))
            connection = http.client.HTTPConnection(*server)
            skipped = ("connection", "transfer-encoding", "expect")
            kept = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
            connection.request(self.command, self.path, body, kept)
            found = connection.getresponse()
            content = found.read()
            connection.close()
            if self.command in ("PUT", "POST") and faults.happens(faults.losing, "lost answer"):
                self.close_connection = True
                return
            self.answer(found.status, found.getheaders(), content)

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            size = str(len(content))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    size = value
                elif name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", size)
            self.end_headers()
            if self.command == "GET" and len(content) > 1 and faults.happens(faults.cutting, "cut"):
                content = content[: len(content) // 2]
                self.close_connection = True
            self.wfile.write(b"" if self.command == "HEAD" else content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Proxy


@dataclass
class S3:
    """A server with buckets; each test gets one of its own, behind a proxy.

    Attributes:
        address: of the test's bucket.
        faults: of its proxy.
    """

    address: str
    faults: Faults

    def objects(self, below: str = "") -> list[str]:
        """The paths of the objects below a path in the bucket."""
        store = fsspec.filesystem("s3", use_listings_cache=False)
        root = f"{self.address.removeprefix('s3://')}/{below}".rstrip("/")
        return sorted(path.removeprefix(root).lstrip("/") for path in store.find(root))


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Run an S3 server without faults."""
    from moto.server import ThreadedMotoServer  # it takes seconds

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        yield running.get_host_and_port()
    finally:
        running.stop()


@contextmanager
def proxied(at: tuple[str, int]) -> Iterator[tuple[str, Faults]]:
    """Run a proxy before a server; its URL, and what it does to requests."""
    faults = Faults()
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(at, faults))
    proxy.daemon_threads = True
    thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}", faults
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def new_bucket(url: str, faults: Faults, cache: Path, patch: pytest.MonkeyPatch) -> S3:
    """Make a bucket at a proxy without faults, which the environment names, and an empty cache."""
    faults.mend()
    for variable in [each for each in os.environ if each.startswith("AWS_")]:
        patch.delenv(variable)
    for variable, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": url, "ASMG_CACHE": str(cache)}).items():
        patch.setenv(variable, value)
    name = f"b{uuid.uuid4().hex}"
    fsspec.filesystem("s3", use_listings_cache=False).mkdir(name)
    faults.seen.clear()
    return S3(f"s3://{name}", faults)
