"""Packages of walks whose tables are shared out: gathered in chunks, they are those of a single process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from distributed.ranks import asmg
from distributed.test_walks import LIFETIMES, compare_metrics, walk
from end_to_end.program import command, environment

from asmg_pl.distributed import gather
from asmg_pl.experiments.freshness.cells import CELLS
from asmg_pl.serving import Store, open_package


def asmg_in_small_chunks(*arguments: object) -> tuple[int, str]:
    """The program, with so small chunks that tables take several."""
    setattr(gather, "CHUNK", 5)  # noqa: B010 - the name is another module's
    return asmg(*arguments)


def called(words: list[str]) -> None:
    """Call the program in a process of its own, which must end well."""
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "lifetimes"),
    [("IncrementalUpdate", ()), ("ASMG", ()), ("ASMG", LIFETIMES)],
    ids=["plain", "generated", "rows that come and go"],
)
def test_a_sharded_walk_and_its_checkpoint_give_the_package_of_a_single_process(
    method: str, lifetimes: tuple[str, ...], tmp_path: Path
) -> None:
    options = "--export.keep=1", "--loop.until=5", "--model.head=PrequentialHead", "--model.head.periods=2", *lifetimes
    options += ("--checkpoint.keep=-1",)
    assert walk(tmp_path / "shared", 2, method, *options, program=asmg_in_small_chunks) == ""
    assert walk(tmp_path / "alone", 1, method, *options, sharded=False) == ""
    compare_metrics(tmp_path / "shared", tmp_path / "alone")
    ours, theirs = (open_package(Store(tmp_path / name / "serving").path()) for name in ("shared", "alone"))
    assert ours.manifest.files.keys() == theirs.manifest.files.keys()
    assert (ours.sizes, ours.manifest.models) == (theirs.sizes, theirs.manifest.models)
    for path in ours.manifest.files:
        if path.endswith(".npy"):
            name = path.removesuffix(".npy")
            np.testing.assert_allclose(ours.array(name), theirs.array(name), atol=1e-5, err_msg=name)
    called(command("export", tmp_path / "shared", "--out", tmp_path / "exported"))
    assert open_package(Store(tmp_path / "exported").path()).manifest.files == ours.manifest.files
    if method == "IncrementalUpdate":  # sharded checkpoints tell what lateness costs, as whole ones do
        cells = []
        for name in ("shared", "alone"):
            called(command("freshness", tmp_path / name, "--ages", 2))
            cells.append(pl.read_csv(tmp_path / name / CELLS))
        assert (
            cells[0]
            .select("after_period", "period", "split")
            .equals(cells[1].select("after_period", "period", "split"))
        )
        for metric in ("auc", "logloss"):
            assert cells[0][metric].to_list() == pytest.approx(cells[1][metric].to_list(), abs=1e-5)
