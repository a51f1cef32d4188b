"""The programs that docs/formats.md shows work."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from serving.formats.packages import BARE, package_of
from serving.formats.test_formats import needs_onnx

from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.serving.formats import write_formats
from asmg_pl.serving.scorer import Scorer

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def shown(word: str) -> str:
    """The code that the page shows and that has a word in it."""
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if word in code]
    return code


@needs_onnx
@pytest.mark.slow
def test_the_programs_on_the_page_give_what_the_scorer_gives(tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="needs faiss-cpu")
    package = package_of(MatrixFactorization, tmp_path, BARE, history_size=30, strings=False)
    write_formats(package, tmp_path / "out", ["pt2", "onnx", "vectors"])
    scorer, known = Scorer(package), {"user": 1017, "items": "[1003, 1004, 5]", "latest": "[1008, 1009]"}
    code = shown("InferenceSession").replace("runs/demo/serving/formats/after-period-000031", str(tmp_path / "out"))
    code = re.sub(r"user, items, latest = .*", f"user, items, latest = {', '.join(map(str, known.values()))}", code)
    names: dict[str, Any] = {}
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, names)
    found = np.array(printed.getvalue().strip(" []\n").split(), float)
    expected = scorer.score(1017, [1003, 1004, 5], history=[1008, 1009]).scores
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with redirect_stdout(StringIO()):
        exec(shown("faiss"), names)
    best = scorer.recommend(1017, 10, exclude_seen=False, history=[1008, 1009])
    assert names["items"]["name"][names["places"][0].tolist()].to_list() == best.items
    handler: dict[str, Any] = {}
    exec(shown("class Handler"), handler)
    made = handler["Handler"]()
    made.initialize(type("Context", (), {"system_properties": {"model_dir": str(tmp_path / "out")}}))
    row = {"user": 17, "item": 3, "history": [8, 9] + [0] * 28, "history_length": 2}
    assert made.handle([row], None) == pytest.approx([expected[0]], abs=1e-5)
    assert torch.is_grad_enabled()
