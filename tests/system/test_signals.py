"""Signals that ask the program to stop, in small programs of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from asmg_pl.system.signals import catch_again, is_stopping, stop_on_signals

BUSY = """
import signal, sys, time
from asmg_pl.system.signals import stop_on_signals
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):  # whatever started the tests may ignore some
    signal.signal(signal.Signals[name], signal.SIG_DFL)
with stop_on_signals(lambda: "go on"):
    print("ready", flush=True)
    try:
        while True:
            time.sleep(0.01)
    except Exception:
        print("caught")
    finally:
        {finally_}
"""


def started(code: str, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_is_one_line_and_an_exit_status(name: str) -> None:
    for process in started(BUSY.format(finally_="pass"), "fit"):
        process.send_signal(signal.Signals[name])
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 128 + signal.Signals[name]
        assert err == f"\nasmg: stopped by {name}: go on\n"
        assert out == "", "it is no Exception"


def test_other_processes_of_a_walk_are_quiet() -> None:
    for process in started(BUSY.format(finally_="pass"), "fit", RANK="1", LOCAL_RANK="1"):
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 130


def test_a_second_signal_ends_at_once() -> None:
    for process in started(BUSY.format(finally_="print('ready', flush=True); time.sleep(600)"), "fit"):
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 130


def test_a_process_that_is_held_up_in_a_library_ends_after_a_while() -> None:
    held = (
        "import ctypes, signal, asmg_pl.system.signals; asmg_pl.system.signals.PATIENCE = 0.2\n"
        "with asmg_pl.system.signals.stop_on_signals():\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"  # another thread gets it: no call is cut
        "    print('ready', flush=True)\n"
        "    ctypes.CDLL(None).sleep(600)\n"
    )
    for process in started(held, "fit"):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 143


def test_signals_that_are_ignored_stay_so() -> None:
    ignored = BUSY.replace("with stop", "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nwith stop")
    for process in started(ignored.format(finally_="pass"), "fit"):
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)


def test_handlers_are_taken_back_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals():
        own = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *_: None)
        catch_again()
        assert signal.getsignal(signal.SIGTERM) is own is not before
        assert not is_stopping()
    assert signal.getsignal(signal.SIGTERM) is before
    catch_again()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_stops_when_the_program_that_has_started_it_is_killed(tmp_path: Path) -> None:
    child = BUSY.format(finally_=f"open({str(tmp_path / 'stopped')!r}, 'w').close()")
    starts = (
        "import os, subprocess, sys\n"
        "environ = os.environ | {'ASMG_PARENT': str(os.getpid())}\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1]], env=environ, stderr=subprocess.DEVNULL).wait()"
    )
    for process in started(starts, child):
        process.kill()
        process.communicate(timeout=PATIENCE)  # its output ends when the child has ended
    assert (tmp_path / "stopped").exists()
