"""Growth of every updater over every recommender: what was there stays bit for bit, what is new is fresh."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from asmg_pl.data.log import Sizes
from asmg_pl.generators import GRUGenerator, LinearGenerator, RowGenerator, TrendGenerator, VanillaCells
from asmg_pl.recommenders import (
    DLRM,
    DCNv2,
    DeepFM,
    EmbeddingMLP,
    Hashed,
    MatrixFactorization,
    Recommender,
    TwoTower,
)
from asmg_pl.updaters import (
    ADER,
    ASMG,
    EWC,
    SFTL,
    SML,
    SPMF,
    SRIU,
    Adagrad,
    BatchUpdate,
    DenseEMA,
    FeSAIL,
    Frozen,
    IncCTR,
    IncrementalUpdate,
    MeanOfCategories,
    ReLoop,
    Retrain,
    Updater,
)

#: All tables grow but those of the first context feature.
SIZES, GROWN = Sizes(7, 9, 3, context=(2, 4)), Sizes(11, 14, 5, context=(2, 6))

UPDATERS: dict[str, Callable[..., Updater]] = {
    **{kind.__name__: kind for kind in (IncrementalUpdate, BatchUpdate, IncCTR, SPMF, ADER, SML, EWC, Frozen, Retrain)},
    **{kind.__name__: kind for kind in (ReLoop, SRIU, SFTL, FeSAIL, DenseEMA)},
    "tables apart": partial(
        IncrementalUpdate, table_learning_rate=1e-2, table_optimizer=Adagrad(), new_rows=MeanOfCategories()
    ),
    "residual": partial(ASMG, window=2),
    "all snapshots": partial(ASMG, window=None),
    "paper's": partial(ASMG, generator=GRUGenerator),
    "vanilla": partial(ASMG, generator=partial(GRUGenerator, cell=VanillaCells)),
    "linear": partial(ASMG, generator=LinearGenerator, weights="last"),
    "trend": partial(ASMG, generator=TrendGenerator, window=2),
    "row": partial(ASMG, generator=RowGenerator, window=2, generator_rate_decay=0.9, generator_weight_decay=0.1),
}
RECOMMENDERS: dict[str, Callable[[Sizes], Recommender]] = {
    **{kind.__name__: kind for kind in (EmbeddingMLP, MatrixFactorization, DeepFM, TwoTower, DCNv2, DLRM)},
    "hashed users": partial(Hashed, users=4),
}


def updater_with(name: str, recommender: str, sizes: Sizes, seed: int) -> Updater:
    torch.manual_seed(seed)
    return UPDATERS[name](sizes, recommender=RECOMMENDERS[recommender])


def somewhere(updater: Updater) -> dict[str, Any]:
    """A checkpoint as in the middle of a walk: every number differs from its start."""
    if isinstance(updater, ASMG):
        for _ in range(4):
            updater.history.push(updater.recommender)
    for tensor in updater.state_dict().values():
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            tensor.normal_()
        elif isinstance(tensor, Tensor) and tensor.dtype == torch.int32:
            tensor.random_(9)  # counts of updates
    optimizers = updater.configure_optimizers()
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    checkpoint: dict[str, Any] = {
        "state_dict": updater.state_dict(),
        "optimizer_states": [optimizer.state_dict() for optimizer in optimizers],
    }
    updater.pretraining.best = {
        "weights": updater.recommender.state_dict(),
        "optimizer": optimizers[0].state_dict(),
        "score": 0.5,
    }
    updater.on_save_checkpoint(checkpoint)
    return copy.deepcopy(checkpoint)


def check_grown(name: str, saved: Tensor, grown: Tensor, fresh: Tensor) -> None:
    """Old rows as saved; new ones as in ``fresh``, which is a fresh tensor or something that can be spread to one."""
    old = tuple(slice(size) for size in saved.shape)
    assert torch.equal(grown[old], saved), name
    changed = [axis for axis in range(saved.ndim) if saved.shape[axis] != grown.shape[axis]]
    if changed:
        (axis,) = changed
        begin, rows = saved.shape[axis], grown.shape[axis]
        new = grown.narrow(axis, begin, rows - begin)
        assert torch.equal(new, fresh.expand_as(grown).narrow(axis, begin, rows - begin)), name


@pytest.mark.parametrize("recommender", RECOMMENDERS)
@pytest.mark.parametrize("updater", UPDATERS)
def test_old_rows_stay_and_new_ones_are_fresh_wherever_they_stand(updater: str, recommender: str) -> None:
    old = updater_with(updater, recommender, SIZES, seed=0)
    checkpoint = somewhere(old)
    before = copy.deepcopy(checkpoint)
    new = updater_with(updater, recommender, GROWN, seed=1)
    there_from_the_start = RECOMMENDERS[recommender](GROWN)
    old.initial_draw.fill(there_from_the_start)
    fresh = there_from_the_start.state_dict()
    new.on_load_checkpoint(checkpoint)
    new.load_state_dict(checkpoint["state_dict"])

    after = new.state_dict()
    assert after.keys() == before["state_dict"].keys()
    grown = set()
    for name, saved in before["state_dict"].items():
        if not isinstance(saved, Tensor):
            assert after[name] == saved, name
            continue
        if saved.shape == after[name].shape:
            assert torch.equal(after[name], saved), name
            continue
        table = next(part for part in reversed(name.split(".")) if part in new.recommender.tables)
        grown.add(table)
        zero = name.startswith(("history.hidden.", "history.counts.", "importance."))
        # A copy of the recommender, at every position of the window too, gets the very rows that the recommender gets.
        check_grown(name, saved, after[name], torch.zeros(()) if zero else fresh[f"tables.{table}.weight"])
    fixed = {"context_0"} | ({"user"} if recommender == "hashed users" else set())
    assert grown == new.recommender.table_parameters().keys() - fixed - {f"{name}_weight" for name in fixed}

    names = [name for name, _ in new.recommender.named_parameters()]
    for saved, loaded in [
        (before["optimizer_states"][0], checkpoint["optimizer_states"][0]),
        (before["best_pretraining_epoch"]["optimizer"], new.pretraining.best["optimizer"]),
    ]:
        for position, name in enumerate(names):
            for key, moment in loaded["state"][position].items():
                if not moment.ndim:
                    continue
                assert moment.shape == fresh[name].shape
                check_grown(f"{key} of {name}", saved["state"][position][key], moment, torch.zeros(()))
    for name, weight in new.pretraining.best["weights"].items():
        check_grown(name, before["best_pretraining_epoch"]["weights"][name], weight, fresh[name])
    for optimizer, state in zip(new.configure_optimizers(), checkpoint["optimizer_states"], strict=True):
        optimizer.load_state_dict(state)
