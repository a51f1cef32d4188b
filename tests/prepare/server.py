"""A web server on this machine that can also misbehave, and archives for it to serve."""

from __future__ import annotations

import io
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


def archive(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as content:
        for name, text in members.items():
            content.writestr(name, text)
    return file.getvalue()


def good() -> bytes:
    return archive(**{"ml-latest-small/README.txt": "…", "ml-latest-small/ratings.csv": RATINGS,
                      "ml-latest-small/movies.csv": MOVIES})  # fmt: skip
