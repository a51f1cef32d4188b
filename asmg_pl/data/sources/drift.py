"""A synthetic stream whose taste drifts, for the demo, tests and benchmarks. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.base import Source
from asmg_pl.errors import ConfigError


class DriftingStream(Source):
    """Users rate items they come across; what they like, and what there is, changes smoothly with time.

    A row's label is drawn with log-odds ``u(t)·v + trend(t) + noise``:

    - **interest drift**: each user's taste ``u(t)`` turns slowly in a plane of its own;
    - **seasonal trends**: each category comes into fashion and goes out of it again, ``season`` times over the stream;
    - **item birth and decay**: an item appears at a random time and is come across ever less as it ages;
    - **label noise**: a share of the labels is a coin toss.

    Drift that goes on in one direction for a while is what a model of the parameters' course can anticipate and a
    model that only follows cannot.
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
        """Plant the drift.

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
            seed: of everything that is drawn.
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
        """Draw the stream; ``root`` is not used."""
        draw = np.random.default_rng(self.seed)
        time = np.sort(draw.random(self.rows))  # the stream runs from 0 to 1
        user = (self.users * draw.random(self.rows) ** 2).astype(np.int64)  # a few users are very active
        born = np.where(draw.random(self.items) < self.birth, draw.random(self.items), 0.0)
        born[0] = 0.0
        item = self._come_across(draw, time, born)

        width = 4
        first, second, taste = (draw.normal(size=(n, width)) for n in (self.users, self.users, self.items))
        angle = 2 * np.pi * self.interest_drift * time[:, None]
        interest = np.cos(angle) * first[user] + np.sin(angle) * second[user]
        category = draw.integers(self.categories, size=(self.items, 2))
        phase = draw.random(self.categories)
        fashion = self.trend * np.sin(2 * np.pi * (self.season * time[:, None] + phase[category[item]])).mean(1)
        liking = (interest * taste[item]).sum(1) / np.sqrt(width) + fashion
        label = draw.random(self.rows) < 1 / (1 + np.exp(-liking))
        label = np.where(draw.random(self.rows) < self.noise, draw.random(self.rows) < 0.5, label)

        rows = pl.DataFrame(
            {"user": user, "item": item, "label": label.astype(np.uint8), "time": (time * 1e9).astype(np.int64)}
        )
        names = pl.DataFrame({"item": np.arange(self.items), "categories": [np.unique(c) for c in category]})
        return InteractionLog.from_frame(rows, names)

    def _come_across(self, draw: np.random.Generator, time: np.ndarray, born: np.ndarray) -> np.ndarray:
        """For each row an item that has appeared by then, the younger the likelier, int64 [rows]."""
        by_age = np.argsort(born, kind="stable")
        there = np.searchsorted(born[by_age], time, side="right")
        # The newest item has position 0; squaring a uniform draw prefers it.
        back = (there * draw.random(self.rows) ** 2).astype(np.int64)
        return by_age[there - 1 - back]
