"""What the command line shows of the log."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings

import pytest

from asmg_pl.cli.logs import PACKAGE, log_on_screen, sign_of_life
from asmg_pl.errors import ConfigError

log = logging.getLogger("asmg_pl.somewhere")


def speak() -> None:
    """Say something at each level."""
    log.debug("looked")
    log.info("walked")
    log.warning("stumbled")


@pytest.mark.parametrize(
    ("level", "out", "err"),
    [
        ("", "walked\n", "asmg: warning: stumbled\n"),
        ("info", "walked\n", "asmg: warning: stumbled\n"),
        ("DEBUG", "walked\n", "asmg: debug: asmg_pl.somewhere: looked\nasmg: warning: stumbled\n"),
        ("warning", "", "asmg: warning: stumbled\n"),
        ("error", "", ""),
    ],
)
def test_the_level_decides_what_is_shown_and_where(
    level: str, out: str, err: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASMG_LOG", level)
    with log_on_screen():
        speak()
    assert capsys.readouterr() == (out, err)
    speak()
    assert capsys.readouterr() == ("", ""), "the handler has gone with the program"


def test_an_unknown_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASMG_LOG", "loud")
    with pytest.raises(ConfigError, match="ASMG_LOG is loud: give one of debug, info, warning, error"), log_on_screen():
        pass


@pytest.mark.parametrize(("level", "err"), [("info", ""), ("debug", "asmg: process 3: warning: stumbled")])
def test_of_several_processes_the_first_speaks_for_all(
    level: str, err: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("ASMG_LOG", level)
    with log_on_screen():
        speak()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert err in shown.err


def test_a_warning_is_coloured_on_request_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with log_on_screen():
        log.warning("stumbled")
    assert capsys.readouterr().err == "asmg: \x1b[33mwarning:\x1b[0m stumbled\n"


def test_a_warning_of_the_package_is_a_message_and_that_of_a_library_as_ever(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with warnings.catch_warnings(record=True) as recorded, log_on_screen():
        warnings.simplefilter("always")
        warnings.warn_explicit("the files have 2 rows", UserWarning, str(PACKAGE / "data" / "log.py"), 3)
        warnings.warn_explicit("old", UserWarning, "/x/library.py", 3)
    assert capsys.readouterr().err == "asmg: warning: the files have 2 rows\n"
    assert [(warning.filename, str(warning.message)) for warning in recorded] == [("/x/library.py", "old")]


def test_used_as_a_library_the_package_only_logs() -> None:
    code = "import logging, asmg_pl; logging.getLogger('asmg_pl.x').error('quiet'); print(logging.getLogger().handlers)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_sign_of_life_comes_before_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with sign_of_life("fit"):
        pass
    assert capsys.readouterr().err == "", "everything is loaded"
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with sign_of_life("fit"):
        assert capsys.readouterr().err == "asmg fit: loading ...\n"
    with sign_of_life("prepare"):
        pass
    monkeypatch.setenv("LOCAL_RANK", "1")
    with sign_of_life("fit"):
        pass
    assert capsys.readouterr().err == ""
