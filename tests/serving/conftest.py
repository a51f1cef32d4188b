"""A scorer for tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving.scorers import contents, scorer_of

from asmg_pl.serving import Scorer


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return scorer_of(contents(), tmp_path)
