"""What docs/server.md shows is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving.server.answered import SIZES, Client, answering

from asmg_pl.cli.commands.serve import parser
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Live, Store, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.server import create_app

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "server.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def served(tmp_path: Path) -> Store:
    """A store whose ids are those of the page."""
    contents = drawn_contents(EmbeddingMLP, SIZES._replace(users=10), strings=False)
    names = {kind: np.arange(len(found)) for kind, found in contents.names.items()}
    made = Store(tmp_path / "serving")
    made.publish(made.add(31, lambda folder: write(replace(contents, names=names), folder)))
    return made


@pytest.fixture
def client(served: Store) -> Iterator[Client]:
    """Asks a server with these ids."""
    with Live(served) as source, answering(create_app(source)) as asks:
        yield asks


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_page_are_answered(client: Client) -> None:
    commands = [command for command in COMMANDS if command.startswith("curl ")]
    assert len(commands) == 6
    for command in commands:
        words = shlex.split(command.replace(":8000", f":{client.port}"))
        done = subprocess.run([*words, "--silent", "--fail"], capture_output=True, text=True, check=True)
        if "/metrics" in command:
            assert "asmg_requests_total" in done.stdout
            continue
        found = json.loads(done.stdout)
        assert found["version"] == "after-period-000031"
        for answer in found.get("answers", []):
            assert len(answer["items"]) == len(answer["scores"]) > 0
            assert not answer["unknown"]["user"]
    assert len(client.post("/recommend", {"user": 7, "k": 3}).json["items"]) == 3


def test_the_answer_of_the_page_has_the_keys_of_an_answer(client: Client) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    found = client.post("/score", {"user": 7, "items": [12, 15]}).json
    assert found.keys() == json.loads(shown).keys()
    assert found["unknown"].keys() == json.loads(shown)["unknown"].keys()


def test_the_statuses_and_metrics_of_the_page_are_those_that_there_are(client: Client) -> None:
    families = text_string_to_metric_families(client.get("/metrics").text)
    there = {re.sub("_(created|info)$", "", family.name) for family in families if family.name.startswith("asmg_")}
    shown = {re.sub("_(total|info)$", "", name) for name in re.findall(r"`(asmg_\w+)`", PAGE)}
    assert there | {"asmg_model_age_seconds"} == shown, "drawn packages have no age"


def test_the_options_of_the_page_have_these_defaults() -> None:
    options = {option: action.default for action in parser()._actions for option in action.option_strings}
    rows = re.findall(r"^\| `(--[\w-]+)` \| (\d+) \|", PAGE, flags=re.MULTILINE)
    assert len(rows) == 6
    assert {name: int(value) for name, value in rows} == {name: options[name] for name, _ in rows}
    assert set(re.findall(r"`(--[\w-]+)", PAGE)) <= options.keys() | {"--export", "--no-deps"}


def test_command_lines_of_the_service_and_the_container_are_accepted() -> None:
    (unit,) = re.findall(r"^ExecStart=(.*)$", PAGE, flags=re.MULTILINE)
    (container,) = re.findall(r"^CMD (.*)$", PAGE, flags=re.MULTILINE)
    shown = [command for command in COMMANDS if command.startswith("asmg serve")]
    for words in (shlex.split(unit), ast.literal_eval(container), *map(shlex.split, shown)):
        assert words[0].rpartition("/")[2] == "asmg"
        assert words[1] == "serve"
        assert parser().parse_args(words[2:]).folder


def test_the_application_of_the_page_answers(served: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    monkeypatch.chdir(served.folder.parent)
    found: dict[str, object] = {}
    exec(code.replace("runs/mine/serving", "serving"), found)
    with answering(found["app"]) as client:  # type: ignore[arg-type]
        assert client.get("/health").json["version"] == "after-period-000031"
