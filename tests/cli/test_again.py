"""The command that goes on with what has been stopped."""

from __future__ import annotations

import pytest

from asmg_pl.cli.again import how_to_go_on, resuming, without


@pytest.mark.parametrize(
    ("called", "advice"),
    [
        (["asmg", "fit", "--config", "demo"], "go on with asmg fit --config demo --ckpt_path last"),
        (["asmg", "fit", "--ckpt_path", "last", "--a=1"], "go on with asmg fit --a=1 --ckpt_path last"),
        (["asmg", "fit", "--ckpt_path=x/y.ckpt"], "go on with asmg fit --ckpt_path last"),
        (["asmg", "fit", "--data.root", "my data"], "go on with asmg fit --data.root 'my data' --ckpt_path last"),
        (["asmg", "fit", "--checkpoint.overwrite", "true"], "go on with asmg fit --ckpt_path last"),
        (["/x/asmg_pl/__main__.py", "fit"], "go on with python -m asmg_pl fit --ckpt_path last"),
        (["asmg", "prepare", "ml-1m"], "go on with asmg prepare ml-1m"),
        (["asmg", "test", "--ckpt_path", "last"], ""),
        (["asmg"], ""),
    ],
)
def test_the_very_command_is_told(called: list[str], advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", called)
    assert how_to_go_on() == advice


def test_of_a_command_for_several_processes_the_launcher_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/x/asmg_pl/__main__.py", "fit", "--trainer.devices", "2"])
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert how_to_go_on() == "go on with torchrun ... -m asmg_pl fit --trainer.devices 2 --ckpt_path last"


def test_options_are_left_out_with_their_values() -> None:
    assert without(["-c", "x", "--a", "--b", "1", "--c=2", "--d"], "--a", "--c", "--d") == ["-c", "x", "--b", "1"]
    assert resuming(["--checkpoint.keep", "-1"]) == ["--checkpoint.keep", "-1", "--ckpt_path", "last"]
