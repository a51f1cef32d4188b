"""Walks of updaters along a stream in memory, by Lightning's trainer, inside the benchmark's process."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from lightning import Callback, Trainer

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule, Sizes
from asmg_pl.data.sources import Source
from asmg_pl.updaters import Updater
from benchmarks.workload import Zipf, categories


class ZipfStream(Source):
    """Rows by Zipf's law, in which there is nothing to learn."""

    def __init__(self, given: argparse.Namespace, rows: int, periods: int) -> None:
        """Describe the stream.

        Args:
            given: how many users, items and categories there are, and how much of them a model sees.
            rows: rows of a period.
            periods: how many periods there are.
        """
        self.given, self.rows, self.periods = given, rows, periods

    def read(self, root: Path | None) -> InteractionLog:
        """Draw the stream; there are tables' rows for all users and items, whether they appear or not."""
        given, draw = self.given, np.random.default_rng(0)
        count = self.rows * self.periods
        frame = pl.DataFrame(
            {
                "user": Zipf(given.users, draw).ids(draw, count),
                "item": Zipf(given.items, draw).ids(draw, count),
                "label": draw.integers(0, 2, count).astype(np.uint8),
                "time": np.arange(count),
            }
        )
        sizes = Sizes(given.users, given.items, given.categories)
        return replace(InteractionLog.from_frame(frame), sizes=sizes, categories=categories(given, given.items, draw))


def fit(stream: ZipfStream, method: Callable[..., Updater], callbacks: Sequence[Callback] = ()) -> Updater:
    """Walk the whole stream; ``callbacks`` come before that which moves the walk on."""
    given = stream.given
    data = PeriodDataModule(
        stream, periods=EqualCounts(stream.periods), batch_size=given.batch_size, history_size=given.history
    )
    updater = method(data.sizes, pretrain_periods=0, pretrain_epochs=0)
    Trainer(
        accelerator="cpu" if given.device == "cpu" else "gpu",
        devices=1,
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[*callbacks, PeriodLoop()],
    ).fit(updater, data)
    return updater
