"""The server, and the command line within this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from end_to_end.program import Finished
from prepare.server import Server

from asmg_pl.cli.main import main


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def asmg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    def call(*arguments: object) -> Finished:
        code = 0
        monkeypatch.setattr("sys.argv", ["asmg", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Finished(code, *capsys.readouterr())

    return call
