"""The daily job of a run that walks on several devices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from end_to_end.program import environment
from operations.shop import Shop
from patience import PATIENCE


@pytest.mark.slow
def test_two_processes_walk_and_one_of_them_judges_and_publishes(shop: Shop, opened: Shop, tmp_path: Path) -> None:
    alone = opened.copied(tmp_path / "alone")
    assert alone.update(alone.day(0)) == 0
    path = shop.run / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["trainer"] |= {"devices": 2, "strategy": "ddp", "accelerator": "cpu"}
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "asmg_pl", "update", str(shop.run), str(shop.day(0))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert shop.current == alone.current
    assert shop.updates()["version"].to_list() == alone.updates()["version"].to_list()
    assert "published" in done.stdout.splitlines()[-1]
    ours, theirs = (pl.read_csv(each.run / "metrics.csv")["serving_logloss"] for each in (shop, alone))
    assert (ours - theirs).abs().max() < 1e-4  # type: ignore[operator]
    assert shop.update(shop.day(0)) == 4  # and nothing is done twice
