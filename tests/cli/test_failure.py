"""What is one message, and what keeps its traceback."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from asmg_pl.cli.failure import leave_if_mendable
from asmg_pl.errors import ConfigError
from asmg_pl.prepare.download import digest


def raised(code: str, module: str = "mine") -> Exception:
    """The error of code in a module of the user's."""
    space = ModuleType(module).__dict__
    space["digest"] = digest
    try:
        exec(code, space)
    except Exception as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "code",
    [
        "open('/no/weights')",
        "from pathlib import Path; Path('/no/weights').read_text()",
        "import numpy; numpy.load('/no/weights.npy')",
        "raise TimeoutError('slow')",
        "raise KeyError('x')",
        "import nowhere_at_all",
    ],
)
def test_an_error_of_the_users_own_code_keeps_its_traceback(code: str) -> None:
    leave_if_mendable(raised(code))  # returns


def test_a_file_that_the_program_was_asked_to_read_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        leave_if_mendable(raised("from pathlib import Path; digest(Path('/no/file'), 'md5')"))
    assert end.value.code == 2
    assert capsys.readouterr().err == "asmg: [Errno 2] No such file or directory: '/no/file'\n"


def test_the_traceback_behind_a_message_is_shown_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASMG_TRACEBACK", "1")
    try:
        raise ConfigError("no")
    except ConfigError as error:
        with pytest.raises(SystemExit):
            leave_if_mendable(error)
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert Path(__file__).name in shown
    assert shown.endswith("asmg: no\n")
