"""A recommender that breaks a rule gets the sentence that mends it, one wrong class for each rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import Lookup, Recommender
from asmg_pl.testing import BrokenRule, check_recommender


class Bilinear(Recommender):
    """The recommender of docs/recommender.md, which keeps all rules."""

    def __init__(self, sizes: Sizes, embedding_dim: int = 4) -> None:
        super().__init__()
        self.tables = nn.ModuleDict(
            {"user": nn.Embedding(sizes.users, embedding_dim), "item": nn.Embedding(sizes.items, embedding_dim)}
        )
        self.between = nn.Linear(embedding_dim, embedding_dim, bias=False)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        return (self.between(lookups["user"].vectors()) * lookups["item"].vectors()).sum(-1)


Lookups = Mapping[str, Lookup]


class NoTables(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.tables = nn.ModuleDict()


class TableWithoutWeight(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.tables["item"] = nn.ModuleDict()


class NeedsMore(Bilinear):
    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__(sizes, width)


class OtherNames(Bilinear):
    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"users": batch.user, "item": batch.item}


class ShortIds(Bilinear):
    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user.int(), "item": batch.item}


class Padding(Bilinear):
    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        assert batch.categories is not None
        return {"user": batch.user, "item": batch.categories[batch.item]}


class Columns(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups)[:, None]


class Squeezed(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups)[:, None].squeeze()


class NeedsContext(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        assert batch.context is not None
        return super().score(batch, lookups) + batch.context[:, 0]


class NeedsCategories(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + batch.categories[batch.item, 0]  # type: ignore[index]


class NeedsHistory(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + (batch.history_length > 0) * batch.history[:, 0]


class DividesByLength(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + 1 / batch.history_length


class ReadsItsTables(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return (self.between(lookups["user"].vectors()) * self.tables["item"](batch.item)).sum(-1)


class IdsForPlaces(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return (self.between(lookups["user"].vectors()) * lookups["item"].weight[batch.item]).sum(-1)


class KeepsACopy(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.copied = [self.between.weight]

    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return (lookups["user"].vectors() @ self.copied[0].T * lookups["item"].vectors()).sum(-1)


class Random(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + torch.rand(len(batch.label))


class ReadsTheLabel(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + batch.label


class ReadsPadding(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + batch.history.sum(1)


class Centred(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        logits = super().score(batch, lookups)
        return logits - (logits.mean() if len(logits) else 0)


class Detached(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return (self.between(lookups["user"].vectors()) * lookups["item"].vectors().detach()).sum(-1)


class WithoutGradient(Bilinear):
    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups).detach()


class Wider(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes, sizes.items)


class BiasPerItem(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.bias = nn.Parameter(torch.zeros(sizes.items))

    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + self.bias[batch.item]


class MoreTables(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        if sizes.users > 10:
            self.tables["many"] = nn.Embedding(sizes.users, 4)


class DrawsRowsInOrder(Bilinear):
    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        return torch.randn(len(rows), width, generator=torch.Generator().manual_seed(seed))


class WrongRows(Bilinear):
    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        return torch.zeros(width)


class DrawsOtherwise(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        nn.init.normal_(self.between.weight, generator=torch.Generator().manual_seed(torch.seed() % 2**60))


class HidesNumbers(Bilinear):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.shift = torch.rand(())

    def score(self, batch: Batch, lookups: Lookups) -> Tensor:
        return super().score(batch, lookups) + self.shift


WRONG: dict[Callable[..., Any], str] = {
    NeedsMore: r"NeedsMore: it cannot be built: __init__ takes sizes first.*missing 1 required",
    nn.Linear: "Linear: it cannot be built",
    nn.Identity: "Identity: it is no Recommender: derive it from",
    NoTables: r"it has no tables: set self\.tables = nn\.ModuleDict",
    TableWithoutWeight: r"the table 'item' has no weight \[rows, width\]: use nn\.Embedding",
    OtherNames: "lookups asks for 'users', and the tables are user, item: give both the same names",
    ShortIds: r"ids of type torch\.int32 and shape \[6\]: they must be int64",
    Padding: "for ids from -1 to .*: build the table .* clamp padding",
    Columns: r"score gives torch\.float32 \[6, 1\] for a mini-batch of six rows: it must be float \[B\]",
    Squeezed: r"score gives torch\.float32 \[\] for a mini-batch of one row.*squeeze\(-1\)",
    NeedsContext: "fails on a mini-batch of a stream without context: batch.context is None",
    NeedsCategories: "fails on a mini-batch of a stream without categories: batch.categories is None",
    NeedsHistory: r"fails on a mini-batch whose histories have no places: \[B, 0\] must do",
    DividesByLength: "score is not finite on a mini-batch of six rows",
    Random: "it scores otherwise when it is asked again: draw random numbers in training mode only",
    ReadsItsTables: r"score reads vectors from self\.tables: read them from its argument, lookups\[name\]\.vectors\(\)",
    IdsForPlaces: r"score takes ids for places in lookups\[name\]\.weight.*: call lookups\[name\]\.vectors\(\)",
    KeepsACopy: "score does not use the dense parameters that it has at the time",
    ReadsTheLabel: r"score depends on batch\.label.*: leave it out",
    ReadsPadding: r"score depends on the padding of batch\.history",
    Centred: "a row's score depends on the other rows of its mini-batch: compute each row by itself",
    Detached: "score passes no gradient to the vectors of 'item': use all vectors .* do not detach",
    WithoutGradient: "score has no gradient",
    Wider: r"its table 'user' is \[7, 9\] for a small stream and \[11, 14\] for a large one: only the number of rows",
    BiasPerItem: "its dense parameter 'bias' depends on the size of the stream: .* into a table",
    MoreTables: "its tables are user, item for a small stream and user, item, many for a large one",
    DrawsRowsInOrder: r"draws a row of 'user' otherwise alone than among others: draw by key, with .*keyed\.uniform",
    WrongRows: r"initial_rows gives torch\.float32 \[4\] for 20 rows of 'user'",
    DrawsOtherwise: r"its dense parameter 'between\.weight' starts otherwise each time: draw from torch's generator",
    HidesNumbers: "scores otherwise after its state was saved and loaded: keep all numbers in parameters or buffers",
}


def test_one_that_keeps_all_rules_passes() -> None:
    check_recommender(Bilinear)
    check_recommender(partial(Bilinear, embedding_dim=3))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_broken_rule_is_named_with_its_mend(wrong: Callable[..., Any]) -> None:
    with pytest.raises(BrokenRule, match=f"^{wrong.__name__}: ") as caught:
        check_recommender(wrong)
    caught.match(WRONG[wrong])


def test_a_broken_rule_is_a_failed_assertion() -> None:
    assert issubclass(BrokenRule, AssertionError)
