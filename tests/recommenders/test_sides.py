"""The user's side and the item's side of a recommender."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import (
    DIN,
    DeepFM,
    EmbeddingMLP,
    GRU4Rec,
    Hashed,
    Lookup,
    MatrixFactorization,
    Recommender,
    SASRec,
    TwoSided,
    TwoTower,
)
from asmg_pl.testing import check_recommender
from asmg_pl.testing.rules import BrokenRule

SIZES = Sizes(users=60, items=90, categories=4, context=(3, 2))
SHIPPED = [
    EmbeddingMLP,
    partial(EmbeddingMLP, hidden=[]),
    DeepFM,
    partial(DeepFM, hidden=[5]),
    TwoTower,
    MatrixFactorization,
    DIN,
    SASRec,
    GRU4Rec,
    partial(Hashed, users=7, items=13),
    partial(Hashed, recommender=DeepFM, items=13),
]


def looked_up(model: Recommender, batch: Batch) -> dict[str, Lookup]:
    return {name: Lookup(model.table(name), ids) for name, ids in model.lookups(batch).items()}


def one_user(items: int, sizes: Sizes = SIZES, history: int = 5) -> tuple[Batch, Batch]:
    """A user's batch of one row, and a batch of many items without history and context."""
    draw = torch.Generator().manual_seed(0)
    user, past = torch.tensor([7]), torch.randint(sizes.items, (1, history), generator=draw)
    length, chosen = torch.tensor([min(3, history)]), torch.randint(sizes.items, (items,), generator=draw)
    categories = torch.randint(-1, sizes.categories, (sizes.items, 2), generator=draw) if sizes.categories else None
    context = torch.tensor([[min(1, n - 1) for n in sizes.context]]) if sizes.context else None
    ours = Batch(user, user * 0, past, length, torch.zeros(1), categories, context)
    none = torch.zeros(items, dtype=torch.int64)
    return ours, Batch(none, chosen, none.new_zeros(items, 0), none, torch.zeros(items), categories)


def whole(ours: Batch, theirs: Batch) -> Batch:
    items = len(theirs.item)
    context = None if ours.context is None else ours.context.expand(items, -1)
    history, length = ours.history.expand(items, -1), ours.history_length.expand(items)
    return theirs._replace(user=ours.user.expand(items), history=history, history_length=length, context=context)


@pytest.mark.parametrize("make", SHIPPED)
@pytest.mark.parametrize("sizes", [SIZES, Sizes(60, 90), Sizes(60, 90, context=(3,)), Sizes(60, 900, 4)])
@torch.no_grad()
def test_one_side_of_a_user_joined_with_those_of_many_items_scores_as_the_rows_do(
    make: Callable[[Sizes], Recommender], sizes: Sizes
) -> None:
    torch.manual_seed(0)
    model = make(sizes)
    for parameter in model.parameters():
        parameter.normal_(std=0.4)
    ours, theirs = one_user(40, sizes)
    sides = model.sides()
    assert sides is not None
    logits = sides.join(
        sides.user_side(ours, looked_up(model, ours)), sides.item_side(theirs, looked_up(model, theirs))
    )
    torch.testing.assert_close(logits, model(whole(ours, theirs)), atol=1e-5, rtol=1e-5)


def test_a_recommender_without_sides_says_so_and_so_does_a_hashed_one_around_it() -> None:
    class Plain(Recommender):
        def __init__(self, sizes: Sizes) -> None:
            super().__init__()
            self.tables = nn.ModuleDict({"item": nn.Embedding(sizes.items, 1)})

        def lookups(self, batch: Batch) -> dict[str, Tensor]:
            return {"item": batch.item}

        def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
            return lookups["item"].vectors().squeeze(-1)

    assert Plain(SIZES).sides() is None
    assert Hashed(SIZES, Plain, items=3).sides() is None
    model = Hashed(SIZES, MatrixFactorization, items=3)
    inner: object = model.model
    assert model.sides() is inner


def test_a_class_of_one_s_own_may_score_by_joining_its_sides() -> None:
    class Bilinear(TwoSided, Recommender):
        """The one of docs/recommender.md."""

        def __init__(self, sizes: Sizes) -> None:
            super().__init__()
            self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 4), "item": nn.Embedding(sizes.items, 4)})
            self.between = nn.Linear(4, 4, bias=False)

        def lookups(self, batch: Batch) -> dict[str, Tensor]:
            return {"user": batch.user, "item": batch.item}

        def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> tuple[Tensor, ...]:
            return (self.between(lookups["user"].vectors()),)

        def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> tuple[Tensor, ...]:
            return (lookups["item"].vectors(),)

        def join(self, user: tuple[Tensor, ...], item: tuple[Tensor, ...]) -> Tensor:
            return (user[0] * item[0]).sum(-1)

        def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
            return self.join(self.user_side(batch, lookups), self.item_side(batch, lookups))

    check_recommender(Bilinear)


def test_sides_that_score_otherwise_break_a_rule() -> None:
    class Wrong(MatrixFactorization):
        def join(self, user: tuple[Tensor, ...], item: tuple[Tensor, ...]) -> Tensor:
            return super().join(user, item)

        def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
            return 2 * super().score(batch, lookups)

    class OfOneUser(MatrixFactorization):
        def join(self, user: tuple[Tensor, ...], item: tuple[Tensor, ...]) -> Tensor:
            ours, theirs = user[0], item[0]
            assert len(ours) == len(theirs)
            return super().join(user, item)

    assert issubclass(Wrong, TwoSided)
    with pytest.raises(BrokenRule, match="join gives other logits than score"):
        check_recommender(Wrong)
    with pytest.raises((BrokenRule, AssertionError)):
        check_recommender(OfOneUser)
