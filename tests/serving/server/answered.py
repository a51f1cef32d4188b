"""A store of small versions, and a server in a thread of the test that answers from it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from patience import PATIENCE

from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Store, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.server import listen

SIZES = Sizes(users=6, items=20, categories=3, context=(2,))


def store(folder: Path, versions: int = 1, strings: bool = False, **provenance: Any) -> Store:
    """A store with some versions, whose scores differ; the first one serves."""
    made = Store(folder)
    for number in range(1, versions + 1):
        contents = drawn_contents(EmbeddingMLP, SIZES, strings=strings, seed=number)
        contents.provenance.update(provenance)  # type: ignore[attr-defined]
        made.add(number, lambda path: write(contents, path))  # noqa: B023 - called at once
    made.publish(made.versions()[0])
    return made


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: of the answer.
        headers: with names in lower case.
        text: the body.
    """

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON, which no number that is none is."""

        def refuse(word: str) -> None:
            raise AssertionError(f"{word} in an answer")

        return json.loads(self.text, parse_constant=refuse)

    @property
    def error(self) -> str:
        """The message of an error, which is all that the body has."""
        assert self.headers["content-type"] == "application/json"
        assert self.json.keys() == {"error"}
        return str(self.json["error"])


class Client:
    """Asks a server on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """Send a body; what is neither bytes nor an iterator of them is sent as JSON."""
        if not isinstance(body, bytes | Iterator):
            body = json.dumps(body).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/json"} | headers)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read().decode())
        finally:
            connection.close()


@contextmanager
def answering(app: FastAPI) -> Iterator[Client]:
    """Run an application in a thread; gives what asks it, and waits for its end."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Client(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; only what never happens makes a test fail."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
