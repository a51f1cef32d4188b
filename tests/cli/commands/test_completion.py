"""The script that completes commands in a shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asmg_pl.cli.commands import COMMANDS
from asmg_pl.cli.commands.completion import SHELLS, parser, run
from asmg_pl.errors import ConfigError

#: What a shell calls when the key is pressed, for each line of words that it reads.
ASKED = """
source "$1"
while read -r -a words; do
    COMP_WORDS=("${words[@]}"); COMPREPLY=()
    if [[ "${words[-1]}" == _ ]]; then COMP_WORDS[-1]=""; fi
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    _shtab_asmg asmg "${COMP_WORDS[COMP_CWORD]}"
    echo "${COMPREPLY[*]}"
done
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash."""
    pytest.importorskip("shtab")
    path = tmp_path_factory.mktemp("completion") / "asmg"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as file:
        patch.setattr(sys, "stdout", file)
        run(["bash"])
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_key_completes_commands_options_and_classes(script: Path) -> None:
    lines = {
        "asmg _": set(COMMANDS),
        "asmg va": {"validate"},
        "asmg fit --model _": {"ASMG", "IncrementalUpdate", "SML"},
        "asmg fit --data.batch": {"--data.batch_size"},
        "asmg fit --config demo --checkpoint.over": {"--checkpoint.overwrite"},
        "asmg test --ckpt_path last --model.init_args.wind": {"--model.init_args.window"},
        "asmg fit --wandb.mode _": {"offline", "online"},
        "asmg convert rows.csv --max-bad": {"--max-bad-rows"},
        "asmg prepare ml-1": {"ml-1m", "ml-10m"},
    }
    done = subprocess.run(
        ["bash", "-c", ASKED, "bash", script], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    for (line, expected), found in zip(lines.items(), done.stdout.splitlines(), strict=True):
        assert expected <= set(found.split()), line


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    run([shell])
    assert "--data.batch_size" in capsys.readouterr().out.replace("\\", "")


def test_a_shell_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["bsh"])
    assert end.value.code == 2
    assert "did you mean bash?" in capsys.readouterr().err


def test_without_its_package_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(ConfigError, match=r"pip install 'asmg_pl\[completion\]'"):
        run(["bash"])
