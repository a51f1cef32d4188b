"""What a process imports that answers requests."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Libraries of the training side.
HEAVY = ("lightning", "pytorch_lightning", "wandb", "torchmetrics", "polars")

USES = {
    "asmg_pl.recommenders": "import asmg_pl.recommenders",
    "asmg_pl.serving": "from asmg_pl.serving import *\nimport asmg_pl.serving.headed",
}


@pytest.mark.parametrize("name", USES)
def test_answering_requests_imports_nothing_of_the_training_side(name: str) -> None:
    found = f"import sys\n{USES[name]}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", found], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
