"""Walks of a pool: which are returned as failed, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments.scripts import shell

from asmg_pl.errors import ConfigError
from asmg_pl.experiments.processes import LocalPool
from asmg_pl.experiments.walking import walk_all
from asmg_pl.experiments.walks import Walk


def test_a_walk_that_fails_is_returned_and_the_end_of_its_output_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shell(monkeypatch, 'echo "the end of $1" >&2; test $1 = good')
    good, bad = (Walk(tmp_path / name, 1, ()) for name in ("good", "bad"))
    with caplog.at_level("INFO"):
        assert walk_all([bad, good], LocalPool(2)) == [bad]
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
        walk_all(several, LocalPool(), alike=True)
    assert walk_all(several, LocalPool()) == several, "others may be accepted"
    for one in several:
        (one.folder / "metrics.csv").touch()
    assert walk_all(several, LocalPool(), alike=True) == several, "these had begun"
