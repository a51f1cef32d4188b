"""What a process imports that answers requests."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from asmg_pl.data import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Store, write
from asmg_pl.serving.drawn import drawn_contents

#: Libraries of the training side.
HEAVY = ("lightning", "pytorch_lightning", "wandb", "torchmetrics", "polars", "fsspec")

USES = {
    "asmg_pl.recommenders": "import asmg_pl.recommenders",
    "asmg_pl.serving": "from asmg_pl.serving import *\nimport asmg_pl.serving.headed",
}


@pytest.mark.parametrize("name", USES)
def test_answering_requests_imports_nothing_of_the_training_side(name: str) -> None:
    found = f"import sys\n{USES[name]}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", found], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scoring_imports_nothing_of_the_training_side(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.publish(store.add(1, partial(write, drawn_contents(EmbeddingMLP, Sizes(5, 9, 3, (2,))))))
    script = f"""
import sys
from asmg_pl.serving import Live
with Live({str(tmp_path)!r}) as live:
    print(len(live.scorer.score("user-1", ["item-1", "new"])), len(live.scorer.recommend("nobody", 3)), live.reload())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["2 3 False", "[]"]
