"""Walks as processes: what is noted of them, how they fail, and that they stop with the program."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from asmg_pl.errors import ConfigError
from asmg_pl.experiments import walks
from asmg_pl.experiments.walks import Walk, program, resolved, walk_all


def shell(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a walk be a script of the shell."""
    monkeypatch.setattr(Walk, "command", property(lambda walk: ["sh", "-c", script, "sh", walk.folder.name]))


def test_a_walk_notes_its_largest_memory_over_all_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell(monkeypatch, "true")
    one = Walk(tmp_path / "one", 1, ())
    assert walk_all([one], 1) == []
    assert 0 < int((one.folder / walks.PEAK).read_text()) < 5000
    (one.folder / walks.PEAK).write_text("5000\n")
    assert walk_all([one], 1) == []
    assert (one.folder / walks.PEAK).read_text() == "5000\n"


def test_a_walk_that_fails_is_returned_and_the_end_of_its_output_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shell(monkeypatch, 'echo "the end of $1" >&2; test $1 = good')
    good, bad = (Walk(tmp_path / name, 1, ()) for name in ("good", "bad"))
    with caplog.at_level("INFO"):
        assert walk_all([bad, good], 2) == [bad]
    assert f"{bad.folder} ended with status 1" in caplog.text
    assert "the end of bad" in caplog.text
    assert "the end of good" not in caplog.text
    assert "[2/2]" in caplog.text


def test_of_walks_that_are_alike_the_first_refusal_stands_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell(monkeypatch, "echo 'asmg fit: loading'; echo 'asmg: all rows have label 1:'; echo 'draw some'; exit 2")
    several = [Walk(tmp_path / str(seed), seed, ()) for seed in (1, 2, 3)]
    with pytest.raises(ConfigError, match=r"^all rows have label 1:\ndraw some$"):
        walk_all(several, 1, alike=True)
    assert walk_all(several, 1) == several, "others may be accepted"
    for one in several:
        (one.folder / "metrics.csv").touch()
    assert walk_all(several, 1, alike=True) == several, "these had begun"


def test_when_the_program_is_stopped_its_walks_stop_and_no_other_begins() -> None:
    processes, ended = walks._Processes(), []
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
            walk_all([Walk(tmp_path / "one", 1, ())], 1)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert (tmp_path / "stopped").exists()


def test_modules_of_the_working_folder_hide_none_of_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    command = [*program()[:-2], "-c", "import random"]
    assert subprocess.run(command, check=True, capture_output=True).returncode == 0
    monkeypatch.chdir(Path(__file__).parents[2])
    assert "-P" not in program(), "a package in the working folder is not installed anywhere else"


def test_arguments_that_are_not_accepted_are_an_error_with_the_programs_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walks, "program", lambda: ["sh", "-c", "echo 'asmg: there is no such option' >&2; exit 2"])
    with pytest.raises(ConfigError, match=r"^there is no such option$"):
        resolved(["--nothing"])
    monkeypatch.setattr(walks, "program", lambda: ["sh", "-c", "echo 'model: {init_args: {window: 3}}'"])
    assert resolved([]) == {"model": {"init_args": {"window": 3}}}
