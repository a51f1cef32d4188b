"""The published numbers as tensors, and ours in the published names and layout.

Ours are shown as *views*: writing the published weights into a view sets our parameter, reading it compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.generators import GRUGenerator
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import ASMG

TABLES = {"user": "user_emb_w", "item": "item_emb_w", "category": "cate_emb_w"}
DENSE = {
    f"mlp.{2 * i}.{ours}": f"fcn{i + 1}_{theirs}"
    for i in range(3)
    for ours, theirs in [("weight", "kernel"), ("bias", "bias")]
}
SIZES = Sizes(users=13, items=17, categories=5)
WINDOW = 3


@pytest.fixture(scope="session")
def golden() -> dict[str, Tensor]:
    """All published arrays by key."""
    with np.load(Path(__file__).parent / "reference.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


@pytest.fixture(scope="session")
def batches(golden: dict[str, Tensor]) -> list[tuple[Batch, ...]]:
    """For each optimiser step, the mini-batch of each window position."""
    real = torch.arange(golden["cates"].shape[1]) < golden["cate_lens"][:, None]
    categories = golden["cates"].long().masked_fill(~real, -1)

    def batch(prefix: str) -> Batch:
        user, item, history, length = (
            golden[f"{prefix}/{n}"].long() for n in ("user", "item", "history", "history_length")
        )
        return Batch(user, item, history, length, golden[f"{prefix}/label"].float(), categories)

    return [tuple(batch(f"batch{step}/period{j}") for j in range(WINDOW)) for step in range(3)]


@pytest.fixture(scope="session")
def below(golden: dict[str, Tensor]) -> Callable[[str], dict[str, Tensor]]:
    """The published arrays whose keys begin with ``PREFIX/``, by the rest of the key."""

    def choose(prefix: str) -> dict[str, Tensor]:
        chosen = {k.removeprefix(f"{prefix}/"): v for k, v in golden.items() if k.startswith(f"{prefix}/")}
        assert chosen, f"no key below {prefix}"
        return chosen

    return choose


def base_as_published(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Views of tensors named like the recommender's parameters; kernels as [in, out]."""
    names = {f"tables.{ours}.weight": theirs for ours, theirs in TABLES.items()} | DENSE
    kernels = {name for name in DENSE if name.endswith("weight")}
    return {names[name]: value.T if name in kernels else value for name, value in tensors}


def coordinates_as_published(flat: Tensor, axis: int = 0) -> dict[str, Tensor]:
    """Views of the parts of an axis over all dense coordinates; a kernel's part becomes two axes [in, out]."""
    shapes = {DENSE[name]: p.shape for name, p in EmbeddingMLP(SIZES).dense_parameters().items()}
    parts = flat.split([shape.numel() for shape in shapes.values()], dim=axis)
    views = {name: part.unflatten(axis, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    return {name: v.transpose(axis, axis + 1) if "kernel" in name else v for name, v in views.items()}


def generator_as_published(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Views of tensors named like the generator's parameters, by ``NAME/WEIGHT``; a kernel's cells as [in, out]."""
    views = {}
    for name, value in tensors:
        part, key, weight = name.split(".")
        if part == "cells":
            weight = {"input_weight": "u", "hidden_weight": "w"}[weight]
            value = value.unflatten(-1, (3, -1)).movedim(2, 0)  # [3, P, 1 or H, H]: the gates z, r, g
        else:
            weight = {"weight": "w_hy", "bias": "b_y"}[weight]
            value = value.view(len(value), -1, 1)  # [P, H or 1, 1]
        if key == "dense":
            parts = coordinates_as_published(value, axis=1 if part == "cells" else 0)
            views.update({f"{parameter}/{weight}": v for parameter, v in parts.items()})
        else:
            views[f"{TABLES[key.removeprefix('table_')]}/{weight}"] = value
    return views


@pytest.fixture(scope="session")
def as_published() -> dict[str, Callable[[Iterable[tuple[str, Tensor]]], dict[str, Tensor]]]:
    """How to read named tensors of the ``"base"`` model and of the ``"generator"`` in the published layout."""
    return {"base": base_as_published, "generator": generator_as_published}


@pytest.fixture(scope="session")
def states_as_published() -> Callable[[Mapping[str, Tensor], Tensor], dict[str, Tensor]]:
    """Views of the states of tables {name: [N, D, H]} and of the dense coordinates [P, H]."""

    def views(tables: Mapping[str, Tensor], dense: Tensor) -> dict[str, Tensor]:
        return {TABLES[name]: state for name, state in tables.items()} | coordinates_as_published(dense)

    return views


@pytest.fixture(scope="session")
def close() -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor], float], None]:
    """Check that each expected tensor is there and agrees; sizes may be split over axes differently."""

    def check(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], tolerance: float) -> None:
        for name, value in expected.items():
            same = found[name].reshape(value.shape)
            torch.testing.assert_close(same, value, atol=tolerance, rtol=0, msg=partial("{}: {}".format, name))

    return check


@pytest.fixture
def base_model(below: Callable[[str], dict[str, Tensor]]) -> Callable[[int], EmbeddingMLP]:
    """The base model with the weights of a snapshot."""

    def build(snapshot: int) -> EmbeddingMLP:
        model = EmbeddingMLP(SIZES)
        views = base_as_published((n, p.data) for n, p in model.named_parameters())
        published = below(f"snapshot{snapshot}")
        assert views.keys() == published.keys()
        for name, value in published.items():
            views[name].copy_(value)
        return model

    return build


@pytest.fixture
def asmg(
    below: Callable[[str], dict[str, Tensor]],
    base_model: Callable[[int], EmbeddingMLP],
    states_as_published: Callable[[Mapping[str, Tensor], Tensor], dict[str, Tensor]],
) -> Callable[..., ASMG]:
    """ASMG as published with the window full, the generator's weights and the state before the window."""

    def build(**options: object) -> ASMG:
        options = {"generator": GRUGenerator} | options
        updater = ASMG(SIZES, window=WINDOW, generator_learning_rate=1e-2, **options)  # type: ignore[arg-type]
        for snapshot in range(WINDOW):
            updater.history.push(base_model(snapshot))
        if not isinstance(updater.generator, GRUGenerator):
            return updater
        hidden = {name: updater.history.hidden.get_buffer(name) for name in TABLES}
        for views, published in [
            (
                generator_as_published((n, p.data) for n, p in updater.generator.named_parameters()),
                below("gru_multi/weights"),
            ),
            (states_as_published(hidden, updater.history.dense_hidden), below("gru_multi/initial_hidden")),
        ]:
            assert views.keys() == published.keys()
            for name, value in published.items():
                views[name].copy_(value.view(views[name].shape))
        return updater

    return build
