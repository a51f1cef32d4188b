"""Serving models as files: what is written, what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from end_to_end.program import Asmg, last_checkpoint

from asmg_pl.callbacks import ServingExport
from asmg_pl.callbacks.export import CHUNK, write_array
from asmg_pl.checkpoints.io import read_checkpoint
from asmg_pl.errors import ConfigError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "serving").iterdir())


def test_the_newest_files_hold_the_model_that_serves_next(fit: Asmg, tmp_path: Path) -> None:
    finished = fit(tmp_path, "--export.keep", 2, "--loop.until", 8)
    assert finished.code == 0, finished.err
    assert names(tmp_path) == ["after-period-000007", "after-period-000008"]
    state = read_checkpoint(last_checkpoint(tmp_path))["state_dict"]
    serving = {k.removeprefix("generated."): v for k, v in state.items() if k.startswith("generated.")}
    written = {f.stem: np.load(f, mmap_mode="r") for f in (tmp_path / "serving" / "after-period-000008").iterdir()}
    assert written.keys() == serving.keys()
    for name, values in serving.items():
        np.testing.assert_array_equal(written[name], values.numpy())


def test_going_back_leaves_no_later_model(fit: Asmg, tmp_path: Path) -> None:
    fit(tmp_path, "--export.keep", -1, "--checkpoint.keep", -1, "--loop.until", 8)
    earlier = next((tmp_path / "checkpoints").glob("period-000006-*"))
    fit(tmp_path, "--export.keep", -1, "--loop.until", 7, "--ckpt_path", earlier)
    assert names(tmp_path) == [f"after-period-00000{period}" for period in (4, 5, 6, 7)]


def test_by_default_nothing_is_written(walk: tuple[Path, object]) -> None:
    assert not (walk[0] / "serving").exists()


def test_tables_longer_than_a_chunk_are_written_whole(tmp_path: Path) -> None:
    values = torch.arange(CHUNK + 3.0)[:, None]
    write_array(values, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values.numpy())


def test_what_to_keep_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"export\.keep"):
        ServingExport(-2)
