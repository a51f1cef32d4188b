"""The C++ kernel of fields against plain operations, and what happens where it cannot be compiled or used."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from recommenders.test_embedding_mlp import CATEGORIES, ITEMS, USERS, draw
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Lookup, Recommender
from asmg_pl.recommenders.kernels import fields
from asmg_pl.recommenders.pooling import category_ids
from asmg_pl.system.compiled import cpp_compiler

Build = Callable[..., Recommender]
needs_compiler = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")
every_kind = pytest.mark.parametrize("build", [EmbeddingMLP, DeepFM])


def results(model: Recommender, batch: Batch) -> list[Tensor]:
    """Logits and the gradients of all parameters."""
    model.zero_grad()
    logits = model(batch)
    (logits * torch.arange(1.0, 1 + len(logits))).sum().backward()
    return [
        logits.detach(),
        *(parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None),
    ]


@needs_compiler
@every_kind
@pytest.mark.parametrize("width", [1, 5, 8, 16, 32])
@pytest.mark.parametrize("categories", [False, True])
def test_the_kernel_gives_the_plain_numbers(
    build: Build, width: int, categories: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    model = build(Sizes(USERS, ITEMS, CATEGORIES if categories else 0), embedding_dim=width, hidden=[4])
    batch = draw(categories=categories)
    assert fields.computes(batch, {n: Lookup(model.table(n), ids) for n, ids in model.lookups(batch).items()})
    fused = results(model, batch)
    monkeypatch.setattr(fields, "_native", lambda: None)
    for ours, plain in zip(fused, results(model, batch), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


@needs_compiler
def test_a_table_that_needs_no_gradient_gets_none() -> None:
    model = EmbeddingMLP(Sizes(USERS, ITEMS, CATEGORIES))
    model.table("item").requires_grad_(False)
    model(draw(categories=True)).sum().backward()
    assert model.table("item").grad is None
    assert model.table("user").grad is not None


@needs_compiler
@pytest.mark.parametrize("column", ["user", "item"])
def test_an_id_outside_its_table_is_an_error(column: str) -> None:
    batch = draw(categories=False)
    far = torch.full_like(batch.item, 10_000)
    beyond = batch._replace(user=far) if column == "user" else batch._replace(item=far)
    with pytest.raises(IndexError, match="has an id that is not in its table"):
        EmbeddingMLP(Sizes(USERS, ITEMS, 0))(beyond)


@needs_compiler
def test_an_item_that_the_catalogue_lacks_is_an_error() -> None:
    with pytest.raises(IndexError, match="the catalogue lacks an item"):
        category_ids(torch.zeros(3, 2, dtype=torch.long), torch.tensor([[1, 3]]))


def test_without_a_compiler_plain_operations_do_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object, **__: int) -> None:
        raise OSError("there is no C++ compiler")

    monkeypatch.setattr(fields, "library", none)
    fields._native.cache_clear()
    with caplog.at_level(logging.INFO):
        assert EmbeddingMLP(Sizes(USERS, ITEMS, CATEGORIES))(draw(categories=True)).isfinite().all()
    fields._native.cache_clear()
    assert caplog.text.count("there is no C++ compiler") == 1
