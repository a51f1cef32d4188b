"""An updater that breaks a rule gets the sentence that mends it, one wrong class for each rule."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.testing import BrokenRule, check_updater
from asmg_pl.updaters import IncrementalUpdate, Updater


class NoArguments(IncrementalUpdate):
    def __init__(self, sizes: Sizes, more: int) -> None:
        super().__init__(sizes)


class Fails(IncrementalUpdate):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) + self.missing  # type: ignore[operator]


class TrainsFirst(IncrementalUpdate):
    def phases(self, period: int) -> list[Any]:
        return super().phases(period)[::-1]


class NeverScores(IncrementalUpdate):
    def phases(self, period: int) -> list[Any]:
        return super().phases(period)[1:] if period == 5 else super().phases(period)


class ServesNothing(IncrementalUpdate):
    def scored_models(self) -> Mapping[str, Recommender]:
        return {"incremental": self.recommender}


class Unseeded(IncrementalUpdate):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * random.SystemRandom().random()


class KnowsTheLabels(IncrementalUpdate):
    """Moves the logit's bias by the labels that are about to be scored."""

    def welcome(self, new: Mapping[str, tuple[int, int]]) -> None:
        assert self.phase is not None
        data = cast(Any, self.trainer).datamodule
        rows = data.rows_of(self.phase.period)
        last = cast(nn.Linear, cast(EmbeddingMLP, self.recommender).mlp[-1])
        with torch.no_grad():
            last.bias.add_(data.log.between(rows.start, rows.stop).label.float().mean())


class ReadsAhead(IncrementalUpdate):
    def phases(self, period: int) -> list[Any]:
        last = cast(Any, self.trainer).datamodule.last_period
        return [self.scoring(period), *self.updating(period, lambda: None, [min(period + 1, last)])]


class ReadsWaitingRows(IncrementalUpdate):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * (1 + len(self.recommender.table("user")) / 100)


class Forgets(IncrementalUpdate):
    """Trains less with each mini-batch; the count is saved nowhere."""

    def __init__(self, sizes: Sizes, **base: Any) -> None:
        super().__init__(sizes, **base)
        self.batches = 0

    def loss(self, batch: Batch) -> Tensor:
        self.batches += 1
        return super().loss(batch) / self.batches


class ForgetsWithinAPeriod(IncrementalUpdate):
    """Trains less with each mini-batch of a period; the count is saved nowhere."""

    def phases(self, period: int) -> list[Any]:
        return [self.scoring(period, end=self.count_anew), *self.updating(period, end=self.count_anew)]

    def __init__(self, sizes: Sizes, **base: Any) -> None:
        super().__init__(sizes, **base)
        self.batches = 0

    def count_anew(self) -> None:
        self.batches = 0 if self.phase is not None and self.phase.name == "update" else 7

    def loss(self, batch: Batch) -> Tensor:
        self.batches += 1
        return super().loss(batch) / self.batches


class SavesObjects(IncrementalUpdate):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["mine"] = self.configure_optimizers


class CannotGrow(IncrementalUpdate):
    """Keeps a copy of a table as a plain buffer."""

    def __init__(self, sizes: Sizes, **base: Any) -> None:
        super().__init__(sizes, **base)
        self.register_buffer("users", copy.deepcopy(self.recommender.table("user").detach()))


class NeedsRows(IncrementalUpdate):
    def phases(self, period: int) -> list[Any]:
        rows = cast(Any, self.trainer).datamodule.rows_of(period)
        self.share = 1 / len(rows)
        return super().phases(period)


WRONG: dict[Callable[..., Any], str] = {
    NoArguments: r"it cannot be built: __init__ takes sizes first, and hands \*\*base on",
    nn.Identity: "it is no Updater: derive it from",
    Fails: "it does not walk a short stream to its end .*missing",
    TrainsFirst: r"it trains when period 3 arrives, and scores later: the first of phases\(period\) must be self\.sc",
    NeverScores: "it trains when period 5 arrives",
    ServesNothing: "scored_models gives incremental: 'serving' must be the recommender",
    Unseeded: "two walks with one seed differ in .*: draw from torch's generator",
    KnowsTheLabels: "what 'serving' scores on period 6 depends on the labels of period 6",
    ReadsAhead: "the phase update of period 3 reads rows of a later period: a phase of period t reads periods up to t",
    ReadsWaitingRows: "the scores of period .* depend on rows that come later: read no later period, and no row of a",
    SavesObjects: "it does not walk a short stream .*its entry mine has a builtins.method, where a plain value must",
    CannotGrow: "it does not go on when the stream has grown: what has rows as the tables grows with them if it is a",
    Forgets: "after the stream has grown, the walk goes on otherwise, in",
    ForgetsWithinAPeriod: "resumed after the phase score of period 5, the walk differs in .*: parameters and buffers",
    NeedsRows: "it fails on a stream whose period 6 has no rows",
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_broken_rule_is_named_with_its_mend(wrong: Callable[..., Any]) -> None:
    with pytest.raises(BrokenRule, match=f"^{wrong.__name__}: ") as caught:
        check_updater(wrong)
    caught.match(WRONG[wrong])


@pytest.mark.slow
def test_an_updater_whose_arguments_are_its_own_business_is_walked_with_them() -> None:
    def made(sizes: Sizes) -> Updater:
        return IncrementalUpdate(sizes, pretrain_periods=1, pretrain_epochs=1, test_from=4)

    check_updater(made)
    check_updater(partial(IncrementalUpdate, passes=2))
