"""A stream and its beginning: what comes later changes no score, and a walk that goes on is one that was never cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from updaters.remembering import Remembering

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import EqualCounts, EqualRows, InteractionLog, Lifetimes, PeriodDataModule
from asmg_pl.data.cutting.periods import Periods
from asmg_pl.data.sources import Source
from asmg_pl.generators import GRUGenerator
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Hashed, MatrixFactorization, TwoTower
from asmg_pl.updaters import (
    ASMG,
    EWC,
    SFTL,
    SML,
    SRIU,
    Adagrad,
    DenseEMA,
    FeSAIL,
    IncrementalUpdate,
    MeanOfCategories,
    MeanOfTable,
    Retrain,
    Updater,
)

ROWS, PERIODS, SHORT = 50, 9, 6


class Growing(Source):
    """Users, items, categories and context values appear all along; later items have more categories than earlier."""

    def __init__(self, rows: int, first_category: int = 0) -> None:
        self.rows, self.first_category = rows, first_category

    def read(self, root: Path | None) -> InteractionLog:
        row = np.arange(self.rows)
        draw = np.random.default_rng(0).random((5, ROWS * PERIODS + 31))[:, : self.rows]
        user, item = (draw[0] * (9 + row / 9)).astype(int), (draw[1] * (12 + row / 7)).astype(int)
        label = (draw[2] < np.where((user + item) % 3, 0.2, 0.8)).astype(int)
        context = (draw[3] * (3 + row / 40)).astype(int)
        rows = pl.DataFrame({"user": user, "item": item, "label": label, "time": row, "device": context})
        known = np.unique(item)
        categories = [[i % 4, 4 + i // 9][: 1 + i // 30] if i >= self.first_category else [] for i in known.tolist()]
        catalogue = pl.DataFrame(
            {"item": known, "categories": categories}, schema_overrides={"categories": pl.List(int)}
        )
        return InteractionLog.from_frame(rows, catalogue)


def walk(
    method: Callable[..., Updater],
    rows: int,
    checkpoint: Path | None = None,
    resume: bool = False,
    first_category: int = 0,
    periods: Periods | None = None,
    until: int | None = None,
    callbacks: Sequence[Callback] = (),
    lifetimes: Lifetimes | None = None,
    **options: Any,
) -> Updater:
    """Walk so many rows of the stream, two periods of which pre-train."""
    torch.manual_seed(5)
    source = Growing(rows, first_category)
    cut = periods or EqualRows(ROWS)
    data = PeriodDataModule(source, periods=cut, batch_size=16, history_size=4, seed=5, lifetimes=lifetimes)
    updater = method(data.sizes, **{"pretrain_periods": 2, "pretrain_epochs": 1, "test_from": 6, **options})
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[*callbacks, PeriodLoop(until)],
    )
    trainer.fit(updater, data, ckpt_path=checkpoint if resume else None)
    if checkpoint is not None and not resume:
        trainer.save_checkpoint(checkpoint)
    return updater


METHODS: dict[str, Callable[..., Updater]] = {
    "ASMG": partial(ASMG, window=2),
    "ASMG, the paper's generator": partial(ASMG, generator=GRUGenerator, window=2, compile_generator=False),
    "ASMG, all snapshots": partial(ASMG, window=None),
    "SML": SML,
    "IncrementalUpdate": IncrementalUpdate,
    "row by row": partial(IncrementalUpdate, row_wise=True),
    "rows that wait": partial(IncrementalUpdate, lazy_tables=True),
    "ASMG, rows that wait": partial(ASMG, window=2, lazy_tables=True),
    "EWC": EWC,
    "Retrain": Retrain,
    **{kind.__name__: kind for kind in (SRIU, SFTL, FeSAIL, DenseEMA)},
    "tables apart": partial(
        IncrementalUpdate, table_learning_rate=1e-2, table_optimizer=Adagrad(), new_rows=MeanOfCategories()
    ),
    "ASMG, rows that start at a mean": partial(ASMG, window=2, new_rows=MeanOfTable()),
    "histories by other names": Remembering,
    "without pre-training": partial(ASMG, window=2, pretrain_periods=0),
}
RECOMMENDERS = {
    **{kind.__name__: kind for kind in (EmbeddingMLP, MatrixFactorization, DeepFM, TwoTower)},
    "Hashed": partial(Hashed, items=13),
}
CASES = [
    *((method, "EmbeddingMLP") for method in METHODS),
    *(("ASMG", name) for name in RECOMMENDERS if name != "EmbeddingMLP"),
]


def method_of(case: tuple[str, str]) -> Callable[..., Updater]:
    return partial(METHODS[case[0]], recommender=RECOMMENDERS[case[1]])


def scores(updater: Updater, last: int = SHORT) -> dict[int, str]:
    """All that was scored up to a period, to the last bit."""
    return {period: repr(vars(result)) for period, result in updater.results.items() if period <= last}


@pytest.fixture(scope="module")
def whole() -> Callable[[tuple[str, str]], Updater]:
    """The walk of the whole stream, made once for each case."""
    made: dict[tuple[str, str], Updater] = {}
    return lambda case: made.setdefault(case, made.get(case) or walk(method_of(case), ROWS * PERIODS + 31))


@pytest.mark.parametrize("case", CASES, ids=" · ".join)
def test_a_walk_that_goes_on_and_one_that_is_never_cut_are_one(
    case: tuple[str, str], whole: Callable[[tuple[str, str]], Updater], tmp_path: Path
) -> None:
    uncut = whole(case)
    short = walk(method_of(case), ROWS * SHORT + 17, tmp_path / "checkpoint")
    assert scores(short) == scores(uncut)
    assert len(uncut.recommender.table("user")) > len(short.recommender.table("user"))
    assert short.learned == {period: found for period, found in uncut.learned.items() if period <= SHORT}

    resumed = walk(method_of(case), ROWS * PERIODS + 31, tmp_path / "checkpoint", resume=True)
    assert scores(resumed, PERIODS) == scores(uncut, PERIODS)
    assert resumed.learned == uncut.learned
    ours, theirs = resumed.state_dict(), uncut.state_dict()
    assert ours.keys() == theirs.keys()
    assert [
        name for name, value in ours.items() if isinstance(value, Tensor) and not torch.equal(value, theirs[name])
    ] == []


def test_growth_starts_from_what_pretraining_has_seen_however_the_longer_stream_would_be_cut(
    whole: Callable[[tuple[str, str]], Updater], tmp_path: Path
) -> None:
    """Cut into equal counts, the longer stream would have longer periods, and pre-training would have seen more."""
    cut = EqualCounts(SHORT)
    method = method_of(CASES[0])
    walk(method, ROWS * SHORT + 3, tmp_path / "checkpoint", periods=cut)
    resumed = walk(method, ROWS * PERIODS + 31, tmp_path / "checkpoint", resume=True, periods=cut)
    assert scores(resumed, PERIODS) == scores(whole(CASES[0]), PERIODS)


@pytest.mark.parametrize("method", ["ASMG", "SML"])
def test_categories_that_first_appear_after_pretraining_are_left_out_with_a_word(
    method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    method_, late = METHODS[method], 60
    uncut = walk(method_, ROWS * PERIODS, first_category=late)
    assert "the first categories appear after the 2 periods that pre-train" in caplog.text
    caplog.clear()
    assert "category" not in uncut.recommender.tables
    short = walk(method_, ROWS * 4, tmp_path / "checkpoint", first_category=late)
    assert "categories" not in caplog.text, "there are none yet"
    assert scores(short, 4) == scores(uncut, 4)
    resumed = walk(method_, ROWS * PERIODS, tmp_path / "checkpoint", resume=True, first_category=late)
    assert scores(resumed, PERIODS) == scores(uncut, PERIODS)
