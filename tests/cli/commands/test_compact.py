"""``asmg convert --compact``: from the command line to a stream of few parts."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from asmg_pl.cli.commands.compact import MANY, recommended
from asmg_pl.cli.main import main
from asmg_pl.data.stream import StreamWriter


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["asmg", "convert", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return (int(stop.code or 0), *capsys.readouterr())
    return (0, *capsys.readouterr())


def test_it_says_how_many_parts_there_were_and_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = tmp_path / "s"
    for time in range(3):
        rows = {"user": [1], "item": [2], "label": [1], "time": [time]}
        StreamWriter(stream).append(pl.DataFrame(rows))
    assert run(capsys, monkeypatch, "--compact", stream) == (
        0,
        f"{stream}: 3 parts merged into 1, 3 rows as before\n",
        "",
    )
    assert run(capsys, monkeypatch, f"--compact={stream}", "--wait", 1)[1] == (
        f"{stream}: 1 part of 3 rows, nothing to merge\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--compact", "nowhere"], ["nowhere is no stream, it has no stream.json"]),
        (["--compact"], ["--compact", "expected one argument"]),
        (["rows.csv", "--compact", "s"], ["rows.csv"]),
        (["--compact", "s", "--append"], ["--append"]),
        (["--compact", "s", "--wait", "-1"], ["--wait must be a number of seconds"]),
    ],
)
def test_an_error_is_one_message_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    code, out, err = run(capsys, monkeypatch, *arguments)
    assert (code, out) == (2, "")
    for word in words:
        assert word in err
    assert "Traceback" not in err


def test_the_help_of_conversions_names_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--compact STREAM" in run(capsys, monkeypatch, "--help")[1]
    assert "--wait" in run(capsys, monkeypatch, "--compact", "s", "--help")[1]


def test_a_stream_of_many_parts_is_recommended_to_it() -> None:
    assert recommended(MANY - 1, Path("s")) is None
    said = recommended(1204, Path("my stream"))
    assert said == "the stream has 1,204 parts: asmg convert --compact 'my stream' merges them"
