"""The commands about several runs: their help, their examples, and the methods that they find by name."""

from __future__ import annotations

import argparse
import logging
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from asmg_pl.cli.config_files import INSTALLED, find, find_folder
from asmg_pl.cli.study import StudyParser, messages, methods_named, own_and_rest
from asmg_pl.errors import ConfigError

NAMES = ("compare", "tune", "sweep", "seeds", "report", "reproduce", "reproduce_ader", "serve", "update")


@pytest.fixture
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StudyParser:
    """The parser of a command, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    made: StudyParser = import_module(f"asmg_pl.cli.commands.{request.param}").parser()
    return made


@pytest.mark.parametrize("parser", NAMES, indirect=True)
def test_help_fits_the_terminal_and_explains_every_option(parser: StudyParser) -> None:
    shown = parser.format_help()
    assert max(map(len, shown.splitlines())) <= 80
    assert all(action.help for action in parser._actions)
    assert "examples:" in shown


@pytest.mark.parametrize("parser", NAMES, indirect=True)
def test_examples_in_the_help_are_accepted(parser: StudyParser) -> None:
    examples = (parser.epilog or "").splitlines()[1:]
    assert examples
    for example in examples:
        assert example.strip().startswith(parser.prog)
        arguments = shlex.split(example)[len(parser.prog.split()) :]
        own, _ = own_and_rest(arguments)
        assert isinstance(parser.parse_args(own), argparse.Namespace)


def test_methods_are_found_by_their_name_or_a_pattern_where_there_is_no_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = INSTALLED / "methods"
    names = ["iu", "iu.yaml", "methods/iu", "configs/methods/iu.yaml"]
    assert [find(name, "--methods", "methods") for name in names] == [shipped / "iu.yaml"] * 4
    assert methods_named(["configs/methods/bu?.yaml"]) == [shipped / f"bu{n}.yaml" for n in (3, 5, 7)]
    assert set(methods_named(["configs/methods/*.yaml"])) == set(shipped.glob("*.yaml"))
    expected = [shipped / f"{name}.yaml" for name in ("iu", "iu_head", "iu_self_tuned")]
    assert methods_named(["iu", "iu_[hs]*"]) == expected
    assert find("asmg", "--grid", "sweeps") == INSTALLED / "sweeps" / "asmg.yaml"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "iu.yaml").touch()
    (tmp_path / "iu").mkdir()
    assert methods_named(["mine/*.yaml"]) == [Path("mine/iu.yaml")]
    assert methods_named(["iu"]) == [shipped / "iu.yaml"], "a folder of that name is no file"
    with pytest.raises(ConfigError, match="both called iu"):
        methods_named(["iu", "mine/iu.yaml"])


def test_folders_of_chosen_settings_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_folder("configs/tuned/movietweetings", "--tuned") == INSTALLED / "tuned" / "movietweetings"
    (tmp_path / "tuned").mkdir()
    assert find_folder("tuned", "--tuned") == Path("tuned")
    for name in ("nowhere", "../..", "configs/../.."):
        if not Path(name).is_dir():
            with pytest.raises(ConfigError, match=f"--tuned: there is no folder {name}"):
                find_folder(name, "--tuned")


@pytest.mark.parametrize(("level", "shown"), [(0, "ab"), (logging.INFO, "ab"), (logging.WARNING, "b"), (40, "")])
def test_messages_are_shown_from_the_level_that_was_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, level: int, shown: str
) -> None:
    monkeypatch.setattr(logging.getLogger("asmg_pl"), "level", level)
    with messages():
        logging.getLogger("asmg_pl.experiments.walks").info("a")
        logging.getLogger("asmg_pl.experiments.walks").warning("b")
    assert capsys.readouterr().err.split() == list(shown)
