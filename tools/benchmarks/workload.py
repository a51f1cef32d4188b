"""Mini-batches like MovieLens', ids by Zipf's law, and ASMG in the midst of them."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from asmg_pl.data import Batch, Sizes
from asmg_pl.generators import Generator, GRUGenerator, RowGenerator, TrendGenerator
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import ASMG

GENERATORS: dict[str, Callable[..., Generator]] = {"gru": GRUGenerator, "row": RowGenerator, "trend": TrendGenerator}


def generator_of(given: argparse.Namespace) -> Callable[..., Generator]:
    """The generator that is measured, the paper's unless another one is chosen."""
    name = getattr(given, "generator", "gru")
    return partial(GENERATORS[name], **({"hidden_size": given.hidden_size} if name == "gru" else {}))


def add_generator(parser: argparse.ArgumentParser) -> None:
    """Which generator is measured."""
    parser.add_argument("--generator", choices=GENERATORS, default="gru", help="whose steps are measured")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a step's cost depends on."""
    parser.add_argument("--users", type=int, default=43_000)
    parser.add_argument("--items", type=int, default=51_000)
    parser.add_argument("--categories", type=int, default=20, help="0 for items without categories")
    parser.add_argument("--embedding-dim", type=int, default=8, help="width of a table, D")
    parser.add_argument("--hidden-size", type=int, default=4, help="state per coordinate, H")
    parser.add_argument("--window", type=int, default=3, help="snapshots, k")
    parser.add_argument("--batch-size", type=int, default=1024, help="rows of a mini-batch, of each of the k periods")
    parser.add_argument("--history", type=int, default=30, help="items of a history")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--repeat", type=int, default=9, help="how often each is timed; the median counts")


class Zipf:
    """Ids whose frequencies follow Zipf's law with exponent 1; the frequent ones lie anywhere among them."""

    def __init__(self, count: int, draw: np.random.Generator) -> None:
        """Prepare the law of ``count`` ids."""
        weights = 1 / np.arange(1, count + 1)
        self._heights, self._order = weights.cumsum() / weights.sum(), draw.permutation(count)

    def ids(self, draw: np.random.Generator, *shape: int) -> np.ndarray:
        """Draw ids, int64."""
        place = np.searchsorted(self._heights, draw.random(shape))
        return self._order[place.clip(max=len(self._order) - 1)]


def categories(given: argparse.Namespace, items: int, draw: np.random.Generator) -> Tensor | None:
    """Up to three categories of each item, int64 [items, C]."""
    shape = (items, min(3, given.categories))
    return torch.from_numpy(draw.integers(0, given.categories, shape)) if given.categories else None


class Workload:
    """Mini-batches by Zipf's law, drawn in memory."""

    def __init__(self, given: argparse.Namespace, spread: int = 1) -> None:
        """Prepare the laws.

        Args:
            given: what :func:`add_arguments` has read.
            spread: as many times larger are the tables, and as many times the ids: as many rows are touched, further
                apart.
        """
        self.given, self.spread = given, spread
        self.sizes = Sizes(users=given.users * spread, items=given.items * spread, categories=given.categories)
        self._draw = np.random.default_rng(0)
        self._laws = [Zipf(count, self._draw) for count in (given.users, given.items)]
        self._categories = categories(given, self.sizes.items, self._draw)

    def _ids(self, law: Zipf, *shape: int) -> Tensor:
        return torch.from_numpy(law.ids(self._draw, *shape) * self.spread).to(self.given.device)

    def batch(self) -> Batch:
        """The next mini-batch."""
        given, (users, items) = self.given, self._laws
        rows = given.batch_size
        return Batch(
            user=self._ids(users, rows),
            item=self._ids(items, rows),
            history=self._ids(items, rows, given.history),
            history_length=torch.full((rows,), given.history, device=given.device),
            label=torch.from_numpy(self._draw.integers(0, 2, rows)).float().to(given.device),
            categories=None if self._categories is None else self._categories.to(given.device),
        )

    def steps(self, count: int = 5) -> itertools.cycle[tuple[Batch, ...]]:
        """Steps of k mini-batches each, ``count`` of them drawn beforehand and repeated."""
        return itertools.cycle([tuple(self.batch() for _ in range(self.given.window)) for _ in range(count)])

    def updater(self) -> ASMG:
        """ASMG with a generator, the paper's by default, trained, its window full of snapshots that differ."""
        given = self.given
        torch.manual_seed(0)
        made = ASMG(
            self.sizes,
            generator_of(given),
            window=given.window,
            recommender=partial(EmbeddingMLP, embedding_dim=given.embedding_dim),
            pretrain_periods=0,
        ).to(given.device)
        made.generator.fuse(made.device)
        for _ in range(given.window + 1):
            for parameter in made.recommender.parameters():
                parameter.data.add_(torch.randn_like(parameter), alpha=0.01)
            made.history.push(made.recommender)
        made.trained.fill_(True)
        return made
