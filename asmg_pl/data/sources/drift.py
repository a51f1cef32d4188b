"""A synthetic stream whose taste drifts, for the demo, tests and benchmarks. Nothing is downloaded."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from tqdm import tqdm

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.base import Source
from asmg_pl.data.stream import StreamWriter
from asmg_pl.errors import ConfigError
from asmg_pl.system.screen import bar_options

CHUNK = 2**18  # the number of rows that are drawn at once
CHUNKS_PER_PART = 16  # for a stream on disk
WIDTH = 4  # the dimension of a taste


class DriftingStream(Source):
    """A synthetic stream: users rate items, and tastes, fashions and items change smoothly with time.

    A row's label is drawn with log-odds ``u(t)·v + trend(t) + noise``:

    - **interest drift**: each user's taste ``u(t)`` turns slowly in a plane of its own;
    - **seasonal trends**: each category comes into fashion and goes out of it again, ``season`` times over the stream;
    - **item birth and decay**: an item appears at a random time, and is rated less and less as it ages;
    - **label noise**: a share of the labels is a coin toss.

    A drift that keeps its direction for a while can be anticipated by a model of the parameters' course, but not by a
    model that only follows the data.

    Examples:
        >>> log = DriftingStream(users=50, items=40, rows=1000).read(None)
        >>> len(log), log.sizes.users, log.sizes.items, log.sizes.categories
        (1000, 50, 40, 12)
    """

    def __init__(
        self,
        users: int = 2000,
        items: int = 1200,
        rows: int = 186_000,
        categories: int = 12,
        interest_drift: float = 0.5,
        season: float = 1.5,
        trend: float = 1.5,
        birth: float = 0.5,
        noise: float = 0.1,
        seed: int = 7,
    ) -> None:
        """Set the sizes and the drift.

        Args:
            users: number of users.
            items: number of items.
            rows: number of interactions.
            categories: number of categories; every item has one or two.
            interest_drift: how far tastes turn over the stream, in full turns.
            season: how often a category's fashion returns over the stream.
            trend: amplitude of the categories' fashion, in log-odds.
            birth: share of the items that appear during the stream rather than at its start.
            noise: share of labels that are a coin toss.
            seed: the seed of all draws.
        """
        for name, value in {"users": users, "items": items, "rows": rows, "categories": categories}.items():
            if value < 1:
                raise ConfigError(f"source.{name} must be at least 1, got {value}")
        for name, share in {"birth": birth, "noise": noise}.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"source.{name} is a share between 0 and 1, got {share}")
        self.users, self.items, self.rows, self.categories = users, items, rows, categories
        self.interest_drift, self.season, self.trend = interest_drift, season, trend
        self.birth, self.noise, self.seed = birth, noise, seed

    def read(self, root: Path | None) -> InteractionLog:
        """Draw the whole stream into memory; ``root`` is not used."""
        return InteractionLog.from_frame(pl.concat(self.chunks()), self.catalogue())

    def write(self, writer: StreamWriter) -> None:
        """Write the stream to disk part by part, in memory that does not grow with the rows."""
        catalogue, drawn = self.catalogue(), self.chunks()
        with tqdm(total=self.rows, unit=" rows", unit_scale=True, desc="draw", **bar_options()) as bar:
            while chunks := list(islice(drawn, CHUNKS_PER_PART)):
                writer.append(pl.concat(chunks), catalogue)
                bar.update(sum(map(len, chunks)))

    def catalogue(self) -> pl.DataFrame:
        """The categories of the items."""
        items = self._items()
        return pl.DataFrame({"item": np.arange(self.items), "categories": [np.unique(c) for c in items.category]})

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Draw the rows in the order of time, at most ``CHUNK`` at once.

        Each chunk has its own random numbers, so it does not depend on the others.
        """
        items, draw = self._items(), self._randomness("users")
        first, second = (draw.normal(size=(self.users, WIDTH)) for _ in range(2))
        for number, begin in enumerate(range(0, self.rows, CHUNK)):
            count = min(CHUNK, self.rows - begin)
            draw = self._randomness("rows", number)
            time = (begin + count * np.sort(draw.random(count))) / self.rows  # the stream lasts from 0 to 1
            user = (self.users * draw.random(count) ** 2).astype(np.int64)  # a few users are very active
            item = items.come_across(draw, time)

            angle = 2 * np.pi * self.interest_drift * time[:, None]
            interest = np.cos(angle) * first[user] + np.sin(angle) * second[user]
            phase = items.phase[items.category[item]]
            fashion = self.trend * np.sin(2 * np.pi * (self.season * time[:, None] + phase)).mean(1)
            liking = (interest * items.taste[item]).sum(1) / np.sqrt(WIDTH) + fashion
            label = draw.random(count) < 1 / (1 + np.exp(-liking))
            label = np.where(draw.random(count) < self.noise, draw.random(count) < 0.5, label)
            yield pl.DataFrame(
                {"user": user, "item": item, "label": label.astype(np.uint8), "time": (time * 1e9).astype(np.int64)}
            )

    def _items(self) -> _Items:
        draw = self._randomness("items")
        born = np.where(draw.random(self.items) < self.birth, draw.random(self.items), 0.0)
        born[0] = 0.0
        return _Items(
            born=born,
            taste=draw.normal(size=(self.items, WIDTH)),
            category=draw.integers(self.categories, size=(self.items, 2)),
            phase=draw.random(self.categories),
        )

    def _randomness(self, what: str, number: int = 0) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(what.encode()), number])


class _Items(NamedTuple):
    """The items of the synthetic stream.

    Attributes:
        born: the time at which each item appears, from 0 to 1, float64 [items].
        taste: the vector whose product with a user's taste is the user's interest, float64 [items, WIDTH].
        category: two categories of each item, which may be equal, int64 [items, 2].
        phase: the phase of each category's fashion, float64 [categories].
    """

    born: np.ndarray
    taste: np.ndarray
    category: np.ndarray
    phase: np.ndarray

    def come_across(self, draw: np.random.Generator, time: np.ndarray) -> np.ndarray:
        """Draw an item for each time, int64 [rows]. It has appeared by then; younger items are likelier."""
        by_age = np.argsort(self.born, kind="stable")
        there = np.searchsorted(self.born[by_age], time, side="right")
        # The newest item has position 0; squaring a uniform draw prefers it.
        back = (there * draw.random(len(time)) ** 2).astype(np.int64)
        return by_age[there - 1 - back]
