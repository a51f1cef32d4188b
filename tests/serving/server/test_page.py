"""What can be asked is shown without any other network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from serving.server.answered import Client, answering, store

from asmg_pl.serving import load
from asmg_pl.serving.server import Fixed, create_app
from asmg_pl.serving.server.app import PATHS
from asmg_pl.serving.server.bodies import RecommendRequest, RecommendUsersRequest, ScoreRequest, ScoreUsersRequest


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Asks a server."""
    with answering(create_app(Fixed(load(store(tmp_path).path())))) as asks:
        yield asks


def test_the_page_names_every_key_and_loads_nothing(client: Client) -> None:
    found = client.get("/docs")
    assert found.headers["content-type"].startswith("text/html")
    for body in (ScoreRequest, ScoreUsersRequest, RecommendRequest, RecommendUsersRequest):
        assert all(f"<code>{key}</code>" in found.text for key in body.model_fields)
    assert "<script" not in found.text
    assert not re.search(r"(src|href)\s*=\s*\"?(https?:)?//|@import|url\(", found.text)


def test_commands_of_the_page_are_answered(client: Client) -> None:
    commands = re.findall(r"curl http://127.0.0.1:8000(\S+) .* -d '(.*)'", unescape(client.get("/docs").text))
    assert len(commands) == 4
    for path, body in commands:
        assert client.post(path, body.encode()).status == 200


def test_openapi_describes_all_paths_that_answer_with_data(client: Client) -> None:
    schema = client.get("/openapi.json").json
    assert set(schema["paths"]) == set(PATHS) - {"/docs", "/openapi.json"}
    for path in ("/score", "/recommend"):
        answers = schema["paths"][path]["post"]["responses"]
        assert {"200", "400", "413", "422", "500", "503"} <= answers.keys()
        assert answers["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/Failure")


def test_the_paths_named_in_messages_are_those_of_the_application(tmp_path: Path) -> None:
    app = create_app(Fixed(load(store(tmp_path).path())))
    assert {route.path for route in app.routes} == set(PATHS)  # type: ignore[attr-defined]
