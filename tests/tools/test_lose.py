"""The tool that loses parts of clusters tells a round that has come to the same from one that has not."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from killing.bucket import FAULTS, Door
from killing.scene import Found, Scene, kill_all, lose_in, undisturbed
from patience import PATIENCE


class Counting(Scene):
    """Counts how often a part was lost, until the round is to end."""

    name = "count"

    def __init__(self, folder: Path, stack: ExitStack, loses: int, status: int = 0) -> None:
        super().__init__(folder, stack)
        self.loses, self.status, self.lost = loses, status, 0

    def start(self, number: int) -> None:
        self.lost = 0

    def begun(self, number: int) -> bool:
        return True

    def running(self) -> bool:
        return self.lost < self.loses

    def lose(self, draw: random.Random) -> None:
        self.lost += 1

    def end(self) -> int:
        return self.status

    def left(self, number: int) -> Found:
        return {"numbers": [1, 2, 3] if self.lost < 2 else [1, 2]}


def test_moments_after_the_end_are_told_from_losses_and_what_differs_is_named(tmp_path: Path) -> None:
    with ExitStack() as stack:
        scene = Counting(tmp_path / "scene", stack, loses=1)
        _, expected = undisturbed(scene)
        found = lose_in(scene, 1, [0.0, 0.0], expected, random.Random(0))
        assert (found.lost, found.late, found.complaints) == (1, 1, [])
        scene.loses = 2
        (complaint,) = lose_in(scene, 2, [0.0, 0.0], expected, random.Random(0)).complaints
        assert complaint == f"count, round 2: what it has left differs, see {tmp_path / 'scene'}"
        scene.status = 2
        (complaint,) = lose_in(scene, 3, [0.0], expected, random.Random(0)).complaints
        assert "exit status 2" in complaint


def test_a_program_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {'input()'!r}])"
    outer = f"import subprocess, sys; print(1, flush=True); subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018
    process.stdout.readline()
    kill_all(process)
    process.stdin.close()
    assert process.stdout.read() == b""  # all that had the pipe are gone
    process.stdout.close()


class Answers(BaseHTTPRequestHandler):
    """Answers with ten bytes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_the_door_passes_requests_or_has_a_fault(fault: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        door = Door(server.server_address[1])
        door.fault = fault
        asked = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENCE)
        try:
            asked.request("GET", "/")
            answer = asked.getresponse()
            found = f"{answer.status} {answer.read().decode()}"
        except (OSError, http.client.HTTPException):
            found = "cut"
        asked.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert found == {"": "200 0123456789", "503": "503 "}.get(fault, "cut")
