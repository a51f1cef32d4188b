"""What the README and the documentation show can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import Asmg

ROOT = Path(__file__).parents[2]
DOCUMENTS = {path.name: path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}


def test_the_updater_shown_is_complete(fit: Asmg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENTS["updater.md"], flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 1)
    finished = fit(tmp_path / "run", "--model", "mine.Rehearse", *options, "--loop.until", 7)
    assert finished.code == 0, finished.err
    phases = pl.read_csv(tmp_path / "run" / "timings.csv").filter(period=7)["phase"].to_list()
    assert phases == ["score", "update", "rehearse"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_exists(name: str) -> None:
    for path in re.findall(r"(?:configs|tools|docs|tests)/[\w/-]+\.\w+", DOCUMENTS[name]):
        assert (ROOT / path).is_file(), path


def test_the_methods_listed_are_those_that_there_are() -> None:
    listed = re.findall(r"`(\w+)`", DOCUMENTS["comparing.md"].split("`configs/methods/`")[1].split("With one seed")[0])
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "configs" / "methods").glob("*.yaml"))
