"""Scorers of small packages, of every shipped recommender and of one of its own, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import (
    DIN,
    DLRM,
    DCNv2,
    DeepFM,
    EmbeddingMLP,
    GRU4Rec,
    Hashed,
    Lookup,
    MatrixFactorization,
    Recommender,
    SASRec,
    TwoTower,
)
from asmg_pl.recommenders.pooling import history_share, items_of
from asmg_pl.serving import Contents, Scorer, Scores, load, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.headed import HeadNumbers

SIZES = Sizes(users=20, items=300, categories=4, context=(3, 2))
HISTORY = 6
ALLOW = [f"{__name__}."]


class Attentive(Recommender):
    """A recommender without sides: the item weighs the history that it is compared with."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 4), "item": nn.Embedding(sizes.items, 4)})

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": items_of(batch)}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        item, past = lookups["item"].columns(0).vectors(), lookups["item"].columns(slice(1, None))
        pooled = past.weighted_sum(history_share(batch))
        pooled *= (pooled * item).sum(-1, keepdim=True)  # in place, as anyone may write it
        return ((lookups["user"].vectors() + pooled) * item).sum(-1)


MODELS: dict[str, Callable[[Sizes], Recommender]] = {
    "mlp": EmbeddingMLP,
    "one layer": partial(EmbeddingMLP, hidden=[]),
    "deep_fm": DeepFM,
    "dcn_v2": partial(DCNv2, hidden=[8]),
    "dlrm": partial(DLRM, embedding_dim=4),
    "two_tower": TwoTower,
    "mf": MatrixFactorization,
    "din": DIN,
    "sasrec": SASRec,
    "gru4rec": GRU4Rec,
    "hashed": partial(Hashed, recommender=partial(DeepFM, embedding_dim=4), users=7, items=13),
    "own": Attentive,
    "own, hashed": partial(Hashed, recommender=Attentive, items=13),
}


def contents(name: str = "mlp", sizes: Sizes = SIZES, strings: bool = True, head: bool = False) -> Contents:
    made = drawn_contents(MODELS[name], sizes, HISTORY, strings)
    if not head:
        return made
    draw = torch.Generator().manual_seed(3)
    other = drawn_contents(MODELS[name], sizes, HISTORY, strings, seed=1)
    users, items = (
        torch.rand(count, 6, generator=draw).cumsum(1).flip(1) * 4 for count in (sizes.users, sizes.items - 9)
    )
    features = 1 + 2 + 12
    bounds = torch.stack([torch.full((features,), -0.6), torch.full((features,), 1.5)])
    numbers = HeadNumbers(users, items, torch.randn(features, generator=draw), bounds, share=0.3, period=9)
    models = {"incremental": made.models["serving"], "generated": other.models["serving"]}
    return replace(made, models=models, head=numbers)


def state_of(made: Contents) -> dict[str, Any]:
    """The parameters of the package's model."""
    return dict(made.models["serving"])


def scorer_of(made: Contents, folder: Path) -> Scorer:
    write(made, folder / "package")
    return load(folder / "package", allow=ALLOW)


def rows_of(scorer: Scorer, user: int, items: list[int], history: list[int], context: tuple[int, ...]) -> Batch:
    """Whole rows, each with the user's history."""
    count = len(items)
    past = torch.zeros(count, HISTORY, dtype=torch.int64)
    past[:, : len(history)] = torch.tensor(history, dtype=torch.int64)
    found = scorer.package.catalogue
    return Batch(
        *(torch.full((count,), user), torch.tensor(items), past, torch.full((count,), len(history))),
        *(torch.zeros(count), None if found is None else found.long()),
        torch.tensor([context] * count) if context else None,
    )


def same(found: Scores, logits: Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(found.logits), logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.from_numpy(found.scores), logits.sigmoid(), atol=1e-5, rtol=0)
