"""What the README shows can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import Asmg

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_updater_shown_is_complete(fit: Asmg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 1)
    finished = fit(tmp_path / "run", "--model", "mine.Rehearse", *options, "--loop.until", 7)
    assert finished.code == 0, finished.err
    phases = pl.read_csv(tmp_path / "run" / "timings.csv").filter(period=7)["phase"].to_list()
    assert phases == ["score", "update", "rehearse"]


def test_every_file_and_class_that_is_named_exists() -> None:
    for name in re.findall(r"(?:configs|tools|docs)/[\w/]+\.\w+", README):
        assert (ROOT / name).is_file(), name
    for stem in re.findall(r"`(\w+)`", README.split("`configs/methods/`")[1].split("With one seed")[0]):
        assert (ROOT / "configs" / "methods" / f"{stem}.yaml").is_file(), stem
