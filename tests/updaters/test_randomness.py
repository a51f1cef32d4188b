"""A recommender whose passes are random: a walk can be cut and resumed, and what teaches or scores is not random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from updaters.test_prefix import PERIODS, ROWS, walk

from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import Lookup, Recommender
from asmg_pl.updaters import ADER, ASMG, EWC, SML, IncCTR, IncrementalUpdate, Retrain, Updater


class Noisy(Recommender):
    """Drops numbers of the users' vectors, and notes in which mode it is asked."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 4), "item": nn.Embedding(sizes.items, 4)})
        self.drop = nn.Dropout(0.5)
        self.bias = nn.Parameter(torch.zeros(1))
        self.modes: set[bool] = set()

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        self.modes.add(self.drop.training)
        return (self.drop(lookups["user"].vectors()) * lookups["item"].vectors()).sum(-1) + self.bias


METHODS: dict[str, Callable[..., Updater]] = {
    **{kind.__name__: kind for kind in (IncrementalUpdate, IncCTR, ADER, SML, EWC, Retrain)},
    "ASMG": partial(ASMG, window=2),
}


def noisy(method: str) -> Callable[..., Updater]:
    return partial(METHODS[method], recommender=Noisy)


def weights(updater: Updater) -> dict[str, Tensor]:
    return {name: value for name, value in updater.state_dict().items() if isinstance(value, Tensor)}


@pytest.mark.parametrize("method", METHODS)
def test_a_walk_with_dropout_that_is_cut_and_resumed_is_one_that_is_not(method: str, tmp_path: Path) -> None:
    rows = ROWS * PERIODS
    whole = walk(noisy(method), rows)
    walk(noisy(method), rows, tmp_path / "checkpoint", until=5)
    torch.rand(17)  # a process that is started anew has drawn other numbers
    resumed = walk(noisy(method), rows, tmp_path / "checkpoint", resume=True)
    assert repr(resumed.results) == repr(whole.results)
    ours, theirs = weights(resumed), weights(whole)
    assert [name for name, value in ours.items() if not torch.equal(value, theirs[name])] == []


class Modes(Callback):
    """Notes which parts of an updater are in training mode in each phase, and in which the base model is asked."""

    def __init__(self) -> None:
        self.training: dict[str, set[str]] = {}
        self.asked: dict[str, set[bool]] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        updater = cast(Updater, pl_module)
        assert updater.phase is not None
        trained = {name for name, part in updater.named_children() if any(m.training for m in part.modules())}
        self.training.setdefault(updater.phase.name, set()).update(trained)
        cast(Noisy, updater.recommender).modes = self.asked.setdefault(updater.phase.name, set())


@pytest.mark.parametrize("method", METHODS)
def test_only_what_is_trained_is_in_training_mode_and_only_while_it_is(method: str) -> None:
    modes = Modes()
    updater = walk(noisy(method), ROWS * 6, callbacks=[modes])
    learned = {name for name, _ in updater.named_children() if name in ("generator", "transfer")}
    for phase, training in modes.training.items():
        scores = phase in ("score", "select", "herd", "rank")
        assert training == (set() if scores else {"recommender", *learned}), phase
        assert modes.asked[phase] <= {not scores}, phase
    assert modes.asked["update"] == {True}
    for name in ("teacher", "generated" if method == "ASMG" else "serving"):
        if hasattr(updater, name):
            assert getattr(updater, name).modes == {False}, "what teaches or serves is certain"


def test_no_two_passes_draw_the_same() -> None:
    drawn: list[float] = []

    class Drawing(Callback):
        def on_train_batch_start(
            self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
        ) -> None:
            if batch_idx == 0:
                drawn.append(float(torch.rand(())))

    walk(partial(IncrementalUpdate, passes=2), ROWS * 4, callbacks=[Drawing()])
    assert len(set(drawn)) == len(drawn) > 6
