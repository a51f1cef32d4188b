"""Walks as processes: what is noted of them, and that they stop with the program."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from experiments.scripts import shell

from asmg_pl.experiments.processes import LocalPool, _Processes
from asmg_pl.experiments.walking import walk_all
from asmg_pl.experiments.walks import PEAK, Walk


def test_a_walk_notes_its_largest_memory_over_all_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell(monkeypatch, "true")
    one = Walk(tmp_path / "one", 1, ())
    assert walk_all([one], LocalPool()) == []
    assert 0 < int((one.folder / PEAK).read_text()) < 5000
    (one.folder / PEAK).write_text("5000\n")
    assert walk_all([one], LocalPool()) == []
    assert (one.folder / PEAK).read_text() == "5000\n"


def test_when_the_program_is_stopped_its_walks_stop_and_no_other_begins() -> None:
    processes, ended = _Processes(), []
    with open(os.devnull, "w") as nowhere:
        out = nowhere.fileno()
        thread = threading.Thread(target=lambda: ended.append(processes.run(["sleep", "600"], out)))
        thread.start()
        while not processes._under_way:
            time.sleep(0.01)
        processes.stop()
        thread.join()
        ((status, _),) = ended
        assert status == -15
        assert processes.run(["false; touch never"], out)[0] == 1


def test_an_interrupted_program_ends_its_walks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell(monkeypatch, "trap 'echo stopped > stopped; exit 143' TERM; touch begun; while true; do sleep 0.05; done")
    monkeypatch.chdir(tmp_path)

    def stop(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    def interrupt() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, stop)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            walk_all([Walk(tmp_path / "one", 1, ())], LocalPool())
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert (tmp_path / "stopped").exists()
