"""What it takes to rank a period's cases among all items: a dot product, and an MLP, beside the two baselines."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import nn

from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule
from asmg_pl.data.sources import Source
from asmg_pl.metrics import TopK
from asmg_pl.recommenders import EmbeddingMLP, TwoTower
from asmg_pl.updaters.top_k.ranking import PeriodRanking
from benchmarks.timing import medians


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the stream, and the numbers of cases and repetitions."""
    for name, value, meaning in (
        ("users", 10_000, "of the stream"),
        ("items", 50_000, "of the stream, all of them candidates"),
        ("cases", 1000, "that are ranked"),
        ("repeat", 3, "turns whose median is taken"),
        ("threads", 1, "of torch"),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help=meaning)


class Drawn(Source):
    """Positives of random users, of which the first half have each item once."""

    def __init__(self, users: int, items: int) -> None:
        """Set the sizes."""
        self.users, self.items = users, items

    def read(self, root: Path | None) -> InteractionLog:
        """Draw the stream."""
        draw = np.random.default_rng(0)
        item = np.concatenate([np.arange(self.items), (self.items * draw.random(self.items) ** 3).astype(int)])
        rows = {"user": draw.integers(0, self.users, 2 * self.items), "item": item, "label": 1}
        return InteractionLog.from_frame(pl.DataFrame(rows).with_columns(time=pl.int_range(pl.len())))


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median processor seconds of a period's ranking; the baselines are a part of each."""
    torch.set_num_threads(given.threads)
    data = PeriodDataModule(Drawn(given.users, given.items), periods=EqualCounts(2), history_size=30)
    ranking = PeriodRanking(TopK(rows=given.cases), data)
    models = {kind.__name__: kind(data.sizes).eval() for kind in (TwoTower, EmbeddingMLP)}
    calls: dict[str, dict[str, nn.Module]] = {"baselines alone": {}} | {
        name: {"serving": model} for name, model in models.items()
    }
    found = medians(
        {n: lambda m=m: ranking.rank(2, m, torch.device("cpu"), (0, 1)) for n, m in calls.items()},  # type: ignore[misc]
        given.repeat,
        time.process_time,
    )
    alone = found["baselines alone"]
    return {f"{name}: s": seconds - (alone if name in models else 0) for name, seconds in found.items()}
