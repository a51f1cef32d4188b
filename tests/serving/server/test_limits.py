"""No request is larger than the limits, whatever it says of itself."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi import FastAPI, Request
from serving.server.answered import Client, answering, store
from starlette.types import ASGIApp, Receive, Scope, Send

from asmg_pl.errors import ConfigError
from asmg_pl.serving import load
from asmg_pl.serving.server import Fixed, Limits, create_app
from asmg_pl.serving.server.errors import add_handlers
from asmg_pl.serving.server.limits import BodyLimit

LIMITS = Limits(body=400, candidates=5, k=4, users=3)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Asks a server with low limits."""
    source = Fixed(load(store(tmp_path_factory.mktemp("store")).path()))
    with answering(create_app(source, LIMITS)) as asks:
        yield asks


SIX = [1001, 1002, 1003, 1004, 1005, 1006]


@pytest.mark.parametrize(
    ("path", "body", "key", "option"),
    [
        ("/score", {"user": 1, "items": SIX}, "items", "candidates"),
        ("/score", {"user": 1, "items": [1], "history": SIX}, "history", "candidates"),
        ("/score", {"users": [1, 2], "items": [[1], SIX]}, "items[1]", "candidates"),
        ("/score", {"users": [1, 2], "items": [[1], [1]], "history": [SIX, None]}, "history[0]", "candidates"),
        ("/score", {"users": [1, 2, 3, 4], "items": [[1]] * 4}, "users", "users"),
        ("/recommend", {"user": 1, "k": 5}, "k", "k"),
        ("/recommend", {"user": 1, "k": 10**30}, "k", "k"),
        ("/recommend", {"user": 1, "candidates": SIX, "k": 1}, "candidates", "candidates"),
        ("/recommend", {"users": [1], "candidates": [SIX], "k": 1}, "candidates[0]", "candidates"),
        ("/recommend", {"users": [1, 2, 3, 4], "k": 1}, "users", "users"),
    ],
)
def test_more_than_a_limit_is_refused_and_the_option_named(
    client: Client, path: str, body: object, key: str, option: str
) -> None:
    found = client.post(path, body)
    assert found.status == 413
    assert found.error.startswith(f"{key}: ")
    assert f"--max-{option}" in found.error


def test_as_much_as_the_limits_allow_is_answered(client: Client) -> None:
    assert client.post("/score", {"users": [1, 2, 3], "items": [SIX[:5]] * 3}).status == 200
    assert client.post("/recommend", {"user": 1, "candidates": SIX[:5], "k": 4, "history": SIX[:5]}).status == 200


def test_a_large_body_is_refused_with_its_length_before_it_is_read(client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    connection.putrequest("POST", "/score")
    connection.putheader("Content-Length", "401")
    connection.endheaders()  # and no body follows
    found = connection.getresponse()
    assert found.status == 413
    assert b"--max-body" in found.read()
    connection.close()


def test_a_large_body_without_a_length_is_refused_as_it_arrives(client: Client) -> None:
    found = client.post("/score", (b"x" * 100 for _ in range(1000)))
    assert found.status == 413
    assert "--max-body" in found.error


def test_a_large_body_that_nobody_reads_is_refused_too(client: Client) -> None:
    found = client.ask("GET", "/health", b"x" * 401)
    assert found.status == 413
    assert "--max-body" in found.error


def test_a_body_up_to_the_limit_is_read(client: Client) -> None:
    body = b'{"user": 1002, "items": [1003]}'
    assert client.post("/score", body.ljust(400)).status == 200
    assert client.post("/score", body.ljust(401)).status == 413
    assert client.post("/score", iter([body, b" " * (400 - len(body))])).status == 200


def test_a_length_that_is_none_is_refused(client: Client) -> None:
    for length in ("-1", "1e3", "99999999999999999999999"):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            head = f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).split()[1] in (b"400", b"413")


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    app = FastAPI()
    app.add_middleware(BodyLimit, most=100, patience=0.05)
    add_handlers(app, {"/read": "POST"})

    @app.post("/read")
    async def read(request: Request) -> int:
        return len(await request.body())

    with answering(app) as client:
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            found = connection.makefile("rb").read()  # to the end, since the server closes the connection
        assert found.split()[1] == b"408"
        assert b"did not arrive" in found
        assert client.post("/read", b"abc").json == 3


def test_other_protocols_than_http_pass_unchanged() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    wrapped: ASGIApp = BodyLimit(app, most=1)
    asyncio.run(wrapped({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


@pytest.mark.parametrize("name", ["body", "candidates", "k", "users"])
def test_a_limit_is_at_least_one(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--max-{name} is 0"):
        replace(LIMITS, **{name: 0})
