"""A walk on a CUDA device."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import polars.testing
import pytest
import torch
from end_to_end.program import Asmg, Finished, last_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_walk_on_the_device_scores_as_on_the_cpu_and_can_be_resumed(
    walk: tuple[Path, Finished], fit: Asmg, tmp_path: Path
) -> None:
    device = ("--trainer.accelerator", "gpu", "--trainer.devices", 1)
    assert fit(tmp_path, *device, "--loop.until", 9).code == 0
    assert fit(tmp_path, *device, "--ckpt_path", "last").code == 0
    found, expected = (pl.read_csv(folder / "metrics.csv") for folder in (tmp_path, walk[0]))
    polars.testing.assert_frame_equal(found, expected, abs_tol=0.02)
    history = torch.load(last_checkpoint(tmp_path), weights_only=True)["state_dict"]["history.tables.item"]
    assert history.shape[0] == 2
