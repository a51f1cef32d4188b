"""``asmg serve`` as a user meets it: one line when it serves, one message when it cannot."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving.server.answered import Client, eventually, store

from asmg_pl.cli.main import main
from asmg_pl.serving.server import listen


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search path of modules is set back."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the program says, which ends with status 2."""
    monkeypatch.setattr(sys, "argv", ["asmg", "serve", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_folder_without_a_version_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "asmg export" in refused(monkeypatch, capsys, tmp_path)
    assert "there is no folder" in refused(monkeypatch, capsys, tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "there is no folder" in refused(monkeypatch, capsys, tmp_path / "file")


def test_a_taken_port_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path)
    with listen("127.0.0.1", 0) as other:
        said = refused(monkeypatch, capsys, tmp_path, "--port", other.getsockname()[1])
    assert "taken by another program" in said


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--port", "65536", "no port"),
        ("--port", "-1", "no port"),
        ("--watch", "-1", "no number of seconds"),
        ("--watch", "nan", "no number of seconds"),
        ("--watch", "soon", "no number of seconds"),
        ("--max-k", "0", "--max-k"),
        ("--max-users", "1.5", "--max-users"),
        ("--threads", "0", "--threads"),
        ("--hosts", "::1", "did you mean --host"),
        ("--host", "", "--host is empty"),
    ],
)
def test_a_wrong_option_is_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
    words: str,
) -> None:
    store(tmp_path)
    assert words in refused(monkeypatch, capsys, tmp_path, option, value)


def test_a_damaged_version_is_named_before_the_port_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store(tmp_path).path() / "popularity.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert "popularity.npy" in refused(monkeypatch, capsys, tmp_path, "--port", "0")


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "prometheus_client"])
def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("asmg_pl.serving.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    said = refused(monkeypatch, capsys, tmp_path)
    assert f"needs the package {package}: pip install 'asmg_pl[serve]'" in said


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program in a process of its own, and its line."""
    command = [sys.executable, "-m", "asmg_pl", "serve", str(folder), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_what_has_arrived_is_answered(tmp_path: Path, sent: signal.Signals) -> None:
    store(tmp_path / "serving", written="2024-05-01T00:00:00+00:00")
    with serving(tmp_path) as (process, line):
        found = re.fullmatch(r"(http://127.0.0.1:(\d+)) serves after-period-000001, \d+ days old; \1/docs .*\n", line)
        assert found, line
        client = Client(int(found[2]))
        connection = http.client.HTTPConnection("127.0.0.1", client.port)
        body = json.dumps({"user": 1002, "items": [1003]}).encode()
        connection.putrequest("POST", "/score")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])
        eventually(lambda: "asmg_requests_in_flight 2.0" in client.get("/metrics").text)
        process.send_signal(sent)
        eventually(lambda: closed(client))
        connection.send(body[10:])
        reply = connection.getresponse()
        assert reply.status == 200
        assert json.loads(reply.read())["version"] == "after-period-000001"
        out, err = process.communicate()
        assert process.returncode == 128 + sent
    assert f"asmg: stopped by {sent.name}" in err
    assert out == "", "no line for each request"


@pytest.mark.slow
def test_an_address_that_others_reach_is_warned_of_and_requests_are_shown_if_wanted(tmp_path: Path) -> None:
    store(tmp_path)
    with serving(tmp_path, "--host", "0.0.0.0", "--access-log") as (process, line):
        client = Client(int(line.split()[0].rpartition(":")[2]))
        assert client.get("/health").status == 200
        process.terminate()
        _, err = process.communicate()
        assert process.returncode == 128 + signal.SIGTERM
    assert "warning: http://0.0.0.0" in err
    assert "no password" in err
    assert '"GET /health HTTP/1.1" 200' in err


def closed(client: Client) -> bool:
    """Whether the server takes no new connection."""
    try:
        client.get("/health")
    except OSError:
        return True
    return False
