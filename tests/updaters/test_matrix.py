"""Every method with every setting: each walks to the end with finite scores, or is refused before it starts."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.distributed as dist
from distributed.ranks import on_ranks
from lightning import Trainer
from slowness import slow_but

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import Calendar, EqualRows, InteractionLog, PeriodDataModule
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Source
from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import GRU4Rec, SASRec
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
    MeanOfTable,
    ReLoop,
    Retrain,
    Updater,
)
from asmg_pl.updaters.objectives import FullSoftmax, SampledSoftmax

ROWS, DAYS = 18, 8
EMPTY, ONE_ROW, ONE_CLASS = 5, 6, 7  # days without rows, with one, and with positive rows only

METHODS: dict[str, Callable[..., Updater]] = {
    "ASMG": partial(ASMG, window=3),
    "ASMG, all snapshots": partial(ASMG, window=None),
    **{kind.__name__: kind for kind in (IncrementalUpdate, BatchUpdate, IncCTR, SPMF, ADER, SML, EWC, Frozen, Retrain)},
    **{kind.__name__: kind for kind in (ReLoop, SRIU, SFTL, FeSAIL, DenseEMA)},
    "tables apart": partial(
        IncrementalUpdate, table_learning_rate=1e-2, table_optimizer=Adagrad(), new_rows=MeanOfCategories()
    ),
    "IncrementalUpdate, sampled softmax": partial(
        IncrementalUpdate, recommender=SASRec, objective=SampledSoftmax(4), learning_rate=1e-2
    ),
    "ASMG, full softmax": partial(ASMG, window=2, recommender=GRU4Rec, objective=FullSoftmax(), guard=None),
    "ASMG, tables apart": partial(ASMG, window=2, table_learning_rate=1e-2, new_rows=MeanOfTable()),
}

#: Data settings by name; the calendar has an empty day, a day of one row and a day of one class.
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "negatives": {"positives": True},
    "calendar": {"calendar": True},
    "accumulate": {"accumulate": 2},
    "precision": {"precision": "bf16-mixed"},
    "negatives, calendar, accumulate": {"positives": True, "calendar": True, "accumulate": 3},
}

#: How several processes share a walk.
STRATEGIES: dict[str, Callable[[], Any]] = {
    "ddp": lambda: "ddp",
    "sharded": lambda: ShardedTables(shards=4, min_rows=5),
}

#: What is refused, and the mend that the message names. All other cells walk.
REFUSED = {("EWC", "sharded"): "or trainer.strategy ddp"}


class Days(Source):
    """Users, items and categories appear all along; an item's rows are few enough to leave a process without some."""

    def __init__(self, days: int = DAYS, positives: bool = False, gaps: bool = False) -> None:
        self.days, self.positives, self.gaps = days, positives, gaps

    def read(self, root: Path | None) -> InteractionLog:
        row = np.arange(ROWS * self.days)
        draw = np.random.default_rng(1).random((3, ROWS * DAYS))[:, : len(row)]
        user, item = (draw[0] * (6 + row / 9)).astype(int), (draw[1] * (7 + row / 9)).astype(int)
        label = np.ones(len(row), int) if self.positives else (draw[2] < np.where((user + item) % 3, 0.2, 0.8)) * 1
        day, within = row // ROWS + 1, row % ROWS
        rows = pl.DataFrame(
            {"user": user, "item": item, "label": label, "time": 1_600_041_600 + day * 86_400 + within}  # midnights
        )
        if self.gaps:
            rows = rows.with_columns(label=np.where(day == ONE_CLASS, 1, label))
            rows = rows.filter(pl.Series(day != EMPTY) & pl.Series((day != ONE_ROW) | (within == 0)))
        known = rows["item"].unique().sort()
        return InteractionLog.from_frame(rows, pl.DataFrame({"item": known, "categories": [[i % 5] for i in known]}))


def walk(
    method: str,
    days: int = DAYS,
    positives: bool = False,
    calendar: bool = False,
    accumulate: int = 1,
    precision: Any = "32-true",
    checkpoint: Path | None = None,
    resume: bool = False,
    **trainer: Any,
) -> dict[int, float]:
    """The LogLoss of what serves, by period; two days pre-train."""
    torch.manual_seed(0)
    data = PeriodDataModule(
        Days(days, positives, calendar),
        periods=Calendar("1d", include_last=True) if calendar else EqualRows(ROWS),
        batch_size=8,
        history_size=3,
        negatives=Fresh() if positives else None,
        accumulate=accumulate,
    )
    updater = METHODS[method](data.sizes, pretrain_periods=2, pretrain_epochs=1, test_from=5)
    trainer_ = Trainer(
        accelerator="cpu",
        precision=precision,
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[PeriodLoop()],
        **trainer,
    )
    trainer_.fit(updater, data, ckpt_path=checkpoint if resume else None)
    if checkpoint is not None and not resume:
        trainer_.save_checkpoint(checkpoint)
    return {period: result.scores["serving"]["logloss"] for period, result in updater.results.items()}


def check(losses: dict[int, float], calendar: bool = False, **_: Any) -> None:
    assert list(losses) == list(range(3, DAYS + 1))
    assert [period for period, loss in losses.items() if not math.isfinite(loss)] == ([EMPTY] if calendar else [])


@cache
def alone(method: str, setting: str) -> dict[int, float]:
    """The walk of a single process, made once."""
    return walk(method, **SETTINGS[setting])


@pytest.mark.parametrize("setting", slow_but(["plain", "negatives, calendar, accumulate"], SETTINGS))
@pytest.mark.parametrize("method", METHODS)
def test_a_method_walks_with_each_setting(method: str, setting: str) -> None:
    check(alone(method, setting), **SETTINGS[setting])


@pytest.mark.parametrize(
    ("method", "positives"),
    [
        *((method, False) for method in METHODS),
        *((method, True) for method in ("ASMG", "SPMF", "ADER", "SML", "SRIU", "FeSAIL")),
    ],
)
def test_a_method_walks_on_along_a_stream_that_has_grown(method: str, positives: bool, tmp_path: Path) -> None:
    walk(method, days=DAYS - 3, positives=positives, checkpoint=tmp_path / "checkpoint")
    grown = walk(method, positives=positives, checkpoint=tmp_path / "checkpoint", resume=True)
    check(grown)
    assert grown == alone(method, "negatives" if positives else "plain"), (
        "as if all of it had been there from the start"
    )


def walk_together(strategy: str, setting: str) -> dict[str, dict[int, float] | str]:
    """All methods with a strategy and a setting on this process, or why a walk was refused."""
    rank, ranks = str(dist.get_rank()), str(dist.get_world_size())
    os.environ |= {"TORCHELASTIC_RUN_ID": "test", "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": "0"}
    os.environ |= {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    warnings.simplefilter("ignore")
    found: dict[str, dict[int, float] | str] = {}
    for method in METHODS:
        try:
            given = SETTINGS[setting] | {"strategy": STRATEGIES[strategy](), "devices": int(ranks)}
            found[method] = walk(method, **given)
        except ConfigError as error:
            found[method] = str(error)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["plain", "negatives, calendar, accumulate"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_walk_as_one_or_say_what_to_choose_instead(strategy: str, setting: str) -> None:
    ours, theirs = on_ranks(2, walk_together, strategy, setting)
    assert list(ours) == list(METHODS)
    assert repr(ours) == repr(theirs)
    for method, losses in ours.items():
        if mend := REFUSED.get((method, strategy)):
            assert mend in losses
            continue
        assert isinstance(losses, dict), losses
        check(losses, **SETTINGS[setting])
        assert losses == pytest.approx(alone(method, setting), abs=1e-4, nan_ok=True), method
