"""Whatever is wrong with a request, the answer is one message that says what and how to mend it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving.server.answered import Client, answering, store

from asmg_pl.serving import load
from asmg_pl.serving.server import Fixed, create_app


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Asks a server."""
    source = Fixed(load(store(tmp_path_factory.mktemp("store")).path()))
    with answering(create_app(source)) as asks:
        yield asks


ID = "an integer or a string"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/score", {}, ["user is missing", "items is missing"]),
        ("/score", [], ["the body is []", "JSON object"]),
        ("/score", 5, ["the body is 5", "JSON object"]),
        ("/score", "user", ["JSON object"]),
        ("/score", None, ["JSON object"]),
        ("/score", {"user": 1002}, ["items is missing"]),
        ("/score", {"user": 1002, "items": 5}, ["items is 5", "give a list"]),
        ("/score", {"user": 1002, "items": []}, ["items", "at least one"]),
        ("/score", {"user": 1002, "items": {"a": 1}}, ["items", "give a list"]),
        ("/score", {"user": None, "items": [1]}, ["user is null", ID]),
        ("/score", {"user": True, "items": [1]}, ["user is true", ID]),
        ("/score", {"user": 1.0, "items": [1]}, ["user is 1.0", ID]),
        ("/score", {"user": [1], "items": [1]}, ["user is [1]", ID]),
        ("/score", {"user": "x" * 1001, "items": [1]}, ["user is", "1,000 characters"]),
        ("/score", {"user": "\ud800", "items": [1]}, ["user is", ID]),
        ("/score", {"user": 1002, "items": [1, None]}, ["items[1] is null", ID]),
        ("/score", {"user": 1002, "items": [1], "history": [{"a": 1}]}, ["history[0]", ID]),
        ("/score", {"user": 1002, "items": [1], "historie": []}, ["there is no key historie"]),
        ("/score", {"user": 1002, "items": [1], "context": [1]}, ["context is [1]", "JSON object"]),
        ("/score", {"user": 1002, "items": [1], "context": {"context-0": 0.5}}, ["context.context-0 is 0.5", ID]),
        ("/score", {"user": 1002, "items": [1], "context": {"device": 1}}, ["'device'", "context-0"]),
        ("/score", {"user": 1002, "items": [1], "context": {"context-0": {"a": 1}}}, ["context.context-0 is {", ID]),
        ("/score", {"user": 1002, "items": [1], "context": {"context-0": [1, None]}}, ["context.context-0[1] is", ID]),
        ("/score", {"user": 1002, "items": [1], "context": {"context-0": ["a"]}}, ["context.context-0 is ['a']", ID]),
        ("/score", {"user": 1002, "users": [1002], "items": [1]}, ["user or users, not both"]),
        ("/score", {"users": 5, "items": [[1]]}, ["users is 5", "give a list"]),
        ("/score", {"users": [1002], "items": [1]}, ["items[0] is 1", "give a list"]),
        ("/score", {"users": [1002], "items": [["a", 0.5]]}, ["items[0][1] is 0.5", ID]),
        ("/score", {"users": [1002, 1003], "items": [[1]]}, ["items", "each of the 2 users, not 1"]),
        ("/score", {"users": [1002], "items": [[1]], "history": []}, ["history", "each of the 1 users, not 0"]),
        ("/score", {"users": [1002], "items": [[1]], "context": {}}, ["context is {}", "give a list"]),
        ("/recommend", {}, ["user is missing"]),
        ("/recommend", {"user": 1002, "k": 0}, ["k is 0", "greater than or equal to 1"]),
        ("/recommend", {"user": 1002, "k": "3"}, ["k is", "integer"]),
        ("/recommend", {"user": 1002, "k": True}, ["k is true", "integer"]),
        ("/recommend", {"user": 1002, "k": 2.5}, ["k is 2.5", "integer"]),
        ("/recommend", {"user": 1002, "exclude_seen": "yes"}, ["exclude_seen is", "boolean"]),
        ("/recommend", {"user": 1002, "exclude_seen": 1}, ["exclude_seen is 1", "boolean"]),
        ("/recommend", {"user": 1002, "candidates": []}, ["candidates", "at least one"]),
        ("/recommend", {"user": 1002, "items": [1]}, ["there is no key items"]),
        ("/recommend", {"users": [1002], "candidates": [1]}, ["candidates[0] is 1", "give a list"]),
    ],
)
def test_wrong_fields_are_named(client: Client, path: str, body: Any, words: list[str]) -> None:
    found = client.post(path, body)
    assert found.status == 422
    assert all(word in found.error for word in words), found.error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"user": 1002, "items": [1]',
        b"\xff\xfe\x00",
        b"\x80\x05\x95\x0f\x00\x00\x00\x00\x00\x00\x00.",  # a pickle
        b'{"user": ' + b"1" * 5000 + b', "items": [1]}',
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "cut later", "no text", "pickle", "a number of 5000 digits", "deep"],
)
def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    found = client.post("/score", body)
    assert found.status == 400
    assert "JSON" in found.error


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: Client, word: str) -> None:
    for body in (f'{{"user": {word}, "items": [1]}}', f'{{"user": 1, "items": [{word}]}}'):
        found = client.post("/score", body.encode())
        assert found.status == 422
        assert ID in found.error


def test_an_integer_of_any_size_is_an_unknown_id(client: Client) -> None:
    for number in (2**63, -(2**63) - 1, 10**40):
        found = client.post("/score", {"user": number, "items": [number]})
        assert found.status == 200
        assert found.json["unknown"]["user"]
        assert found.json["unknown"]["items"] == [number] == found.json["items"]


def test_a_body_must_be_announced_as_json(client: Client) -> None:
    body = {"user": 1002, "items": [1003]}
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/octet-stream", ""):
        found = client.post("/score", body, **{"Content-Type": kind})
        assert found.status == 415
        assert "Content-Type: application/json" in found.error
    assert client.post("/score", body, **{"Content-Type": "application/json; charset=utf-8"}).status == 200


def test_other_paths_and_methods_are_answered_with_those_that_there_are(client: Client) -> None:
    for path in ("/", "/scores", "/score/", "/../etc/passwd", "/redoc", "/" + "x" * 5000):
        found = client.get(path)
        assert found.status == 404
        assert "/score, /recommend, /health" in found.error
        assert len(found.error) < 400
    for method, path, right in (("GET", "/score", "POST"), ("POST", "/health", "GET"), ("DELETE", "/metrics", "GET")):
        found = client.ask(method, path)
        assert found.status == 405
        assert right in found.error


def test_many_errors_are_counted_and_not_listed(client: Client) -> None:
    found = client.post("/score", {"user": 1002, "items": [1003]} | {f"key{number}": 1 for number in range(5000)})
    assert found.status == 422
    assert "and 4997 more" in found.error
    assert len(found.error) < 300


def test_a_fault_shows_nothing_of_the_program(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty:
        """Has a fault."""

        version = "after-period-000001"

        def score(self, *given: Any) -> Any:
            raise ZeroDivisionError("the secret of the program")

    with answering(create_app(Fixed(Faulty()))) as client:  # type: ignore[arg-type]
        found = client.post("/score", {"user": 1002, "items": [1003]})
        assert found.status == 500
        assert "asmg rollback" in found.error
        assert "secret" not in found.text
    assert "the secret of the program" in caplog.text, "the log has the reason"


def test_errors_of_one_request_do_not_reach_another(client: Client) -> None:
    statuses: list[int] = []

    def ask(number: int) -> None:
        body = {"user": 1002, "items": [1003] if number % 2 else ["a", None]}
        statuses.append(client.post("/score", body).status * (-1) ** number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [-200] * 10 + [422] * 10
