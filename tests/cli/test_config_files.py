"""Configuration files: found by name, read strictly, laid over earlier options."""

from __future__ import annotations

from pathlib import Path

import pytest

from asmg_pl.cli.config_files import INSTALLED, find, options_before, read
from asmg_pl.errors import ConfigError


@pytest.mark.parametrize("name", ["demo", "demo.yaml", "configs/demo.yaml"])
def test_an_installed_configuration_is_found_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(name) == INSTALLED / "demo.yaml"
    assert find("methods/iu") == find("configs/methods/iu.yaml") == INSTALLED / "methods" / "iu.yaml"


def test_a_file_of_the_working_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "demo.yaml").write_text("data: {}")
    assert find("configs/demo.yaml") == Path("configs/demo.yaml")


@pytest.mark.parametrize("name", ["demoo", "nowhere.yaml", "../configs/demo.yaml", "configs/../../setup.cfg", ""])
def test_a_configuration_that_is_nowhere_is_one_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no file|is a folder"):
        find(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data:\n  a: 1\nmodel: X\ndata:\n  b: 2\n", r"has data: twice, in lines 1 and 4"),
        (b"data:\n  a: 1\n  b: 2\n  a: 3\n", r"has a: twice, in lines 2 and 4"),
        (b"x: [{a: 1,\n a: 2}]\n", r"has a: twice, in lines 1 and 2"),
        (b"data:\n\ta: 1\n", r"line 2 is no YAML: .*indent with blanks, not with tabs"),
        (b"- a\n", r"is a list, not settings by name"),
        (b"hello", r"is a str, not settings by name"),
        (b"# nothing\n", r"is empty"),
        (b"", r"is empty"),
        ("# caf\u00e9".encode("latin1"), r"is no text in UTF-8 \(byte 5\)"),
        ("a: 1".encode("utf-16"), r"is no text in UTF-8 \(byte 0\)"),
        (b"a: \0", r"is no YAML: .*special characters"),
        (b"[" * 20000, r"is nested too deeply"),
        (b'a: !!python/object/apply:os.system ["exit"]', r"line 1 is no YAML: could not determine a constructor"),
        (b"a: *b", r"line 1 is no YAML: found undefined alias"),
        (b"1: 2", r"has the key 1, which is no name"),
        (b"? [a, b]\n: 3", r"is no YAML: found unhashable key"),
        (b"a: 1\n---\nb: 2\n", r"line 2 is no YAML: but found another document"),
    ],
)
def test_a_file_that_would_be_misread_is_one_error_that_names_the_place(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "wrong.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "wrong.yaml")


def test_aliases_may_repeat_a_mapping_and_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "right.yaml").write_bytes(b"\xef\xbb\xbfa: &x {b: 1}\nc: *x\nd: [*x, *x]\n")
    assert read(tmp_path / "right.yaml") == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}


def test_options_before_a_configuration_are_those_that_stand_left_of_it() -> None:
    words = ["asmg", "fit", "--a", "1", "--config", "x", "--b=2", "-c", "y", "--d", "4"]
    assert options_before(words, "x") == [("a", "1")]
    assert options_before(words, "y") == [("a", "1"), ("b", "2")]
    assert options_before(words, "z") == []
