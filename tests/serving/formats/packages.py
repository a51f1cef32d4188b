"""Serving packages of drawn numbers, with and without a head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes
from asmg_pl.data.sizes import Feature
from asmg_pl.randomness.keyed import seeded
from asmg_pl.recommenders import Lookup, Recommender
from asmg_pl.serving import Package, open_package, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.headed import HeadNumbers

#: Everything that a stream can have, and nothing of it. One table is larger than those that are multiplied as a whole.
FULL, BARE = Sizes(users=20, items=150, categories=6, context=(3, 2)), Sizes(users=20, items=150)

#: Features of every kind and side.
FEATURED = FULL._replace(
    context=(3, 2, 4),
    context_features=(Feature("device", "row", 3), Feature("brand", "item", 2), Feature("country", "user", 4)),
    numbers=(Feature("price", "item"), Feature("hour", "row"), Feature("age", "user")),
    lists=(Feature("tags", "item", 5), Feature("interests", "user", 140), Feature("words", "row", 7)),
)


def package_of(
    build: Callable[[Sizes], Recommender],
    folder: Path,
    sizes: Sizes = FULL,
    head: int = 0,
    history_size: int = 5,
    strings: bool = True,
) -> Package:
    """Write a package and open it.

    Args:
        build: the class of the recommender.
        folder: which gets the package.
        sizes: the numbers of ids.
        head: how many models are under a head; without one, there is one model.
        history_size: the longest history.
        strings: whether names are strings.
    """
    made = [drawn_contents(build, sizes, history_size, strings, seed) for seed in range(max(1, head))]
    names = ("incremental", "generated") if head else ("serving",)
    models = {name: one.models["serving"] for name, one in zip(names, made, strict=False)}
    write(replace(made[0], models=models, head=head_of(sizes, head) if head else None), folder / "package")
    return open_package(folder / "package", allow=["serving."])


def head_of(sizes: Sizes, models: int) -> HeadNumbers:
    """The numbers of a head that has learned something; it limits the differences of its models in some rows."""
    with seeded("head"):
        counts = []
        for ids in (sizes.users, sizes.items):
            rows = 5 * torch.rand(ids)
            since = torch.randint(1, 9, (ids,)).float()
            counts.append(torch.stack([rows, rows * torch.rand(ids), rows / 2, rows / 4, since, since + 1], dim=1))
        width = 1 + models + 12
        coefficients = 0.3 * torch.randn(width)
        coefficients[1] = 1.0
        bounds = torch.tensor([[-1.0], [1.0]]).repeat(1, width)
    return HeadNumbers(counts[0], counts[1], coefficients, bounds, share=0.4, period=10)


class Counting(Recommender):
    """A recommender that asks for the length of a tensor."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"item": nn.Embedding(sizes.items, 1)})

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        return lookups["item"].vectors().view(len(batch.item))


class Branching(Counting):
    """A recommender whose way depends on numbers."""

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        logits = lookups["item"].vectors().squeeze(-1)
        return logits if float(logits.sum()) > 0 else -logits
