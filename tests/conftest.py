"""Fixtures that tests of several parts share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tests are small, and run side by side


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a public data set by its name; skips the test where the data sets are not at hand."""

    def folder(name: str) -> Path:
        parent = os.environ.get("ASMG_DATA")
        if not parent:
            pytest.skip("real data: set the environment variable ASMG_DATA to the folder that holds the data sets")
        found = Path(parent) / name
        if not found.is_dir():
            pytest.skip(f"real data: ASMG_DATA has no folder {name}")
        return found

    return folder
