"""Programs give what a walk scores: from a grown stream with contexts and categories, and of ids that come and go."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from callbacks.test_packaging import HISTORY, METHODS, RECOMMENDERS, data_of, known_rows, rebuilt, walk
from serving.formats.test_formats import in_onnxruntime, loaded

from asmg_pl.data import Lifetimes
from asmg_pl.serving import Store, open_package
from asmg_pl.serving.formats import write_formats


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "recommender", "lifetimes"),
    [
        ("guarded and headed", "mlp", None),
        ("plain", "hashed", None),
        ("headed", "two_tower", Lifetimes(admit_after=2, expire_after=2)),
    ],
)
def test_programs_give_what_the_walk_scores(
    method: str, recommender: str, lifetimes: Lifetimes | None, tmp_path: Path
) -> None:
    data = data_of()
    data.lifetimes = lifetimes
    done = walk(partial(METHODS[method], recommender=RECOMMENDERS[recommender]), tmp_path, data)
    package = open_package(Store(tmp_path / "serving").path())
    runs = {"pt2": loaded} | ({"onnx": in_onnxruntime} if find_spec("onnxruntime") else {})
    write_formats(package, tmp_path / "out", list(runs))
    rows = known_rows(done.data, 6)
    if lifetimes is not None:
        has_row = package.has_row("user")
        assert len({*has_row[done.data.log.user[rows]].tolist()}) == 2
    expected = done.updater.logits(done.data.log.batch(rows, HISTORY))["serving"].detach().sigmoid()
    batch = rebuilt(package, done.data.log, rows)
    given = {name: getattr(batch, name) for name in ("user", "item", "history", "history_length", "context")}
    plain = {name: values.numpy() for name, values in given.items() if isinstance(values, torch.Tensor)}
    assert "context" in plain
    assert package.sizes.categories
    for ending, load in runs.items():
        _, probability = load(tmp_path / "out" / f"model.{ending}")(plain)
        np.testing.assert_allclose(probability, expected.numpy(), rtol=0, atol=1e-5)
