"""The base of streams of explicit ratings: the choice of days, and the threshold of positive ratings."""

from __future__ import annotations

from abc import abstractmethod
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar

import polars as pl

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.base import Source
from asmg_pl.errors import ConfigError, DataError

_DAY = 24 * 60 * 60
_EPOCH = date(1970, 1, 1).toordinal()


class RatingSource(Source):
    """Ratings with a time, which a threshold turns into labels. Liked items enter the user's later histories.

    Attributes:
        rating_range: the lowest and the highest possible rating.
    """

    rating_range: ClassVar[tuple[float, float]]

    def __init__(self, positive_from: float, start: str | None = None, end: str | None = None) -> None:
        """Choose the rows and their labels.

        Args:
            positive_from: the lowest positive rating; lower ratings are negative.
            start: first day to keep (UTC), as in 2014-01-31; by default from the beginning.
            end: last day to keep (UTC); by default to the end.

        Raises:
            ConfigError: if the threshold is no possible rating, or a date is malformed or before ``start``.
        """
        lowest, highest = self.rating_range
        if not lowest <= positive_from <= highest:
            raise ConfigError(f"positive_from must be a rating from {lowest:g} to {highest:g}, got {positive_from}")
        self.positive_from = positive_from
        self.start = _day("start", start)
        self.end = _day("end", end)
        if self.start and self.end and self.start > self.end:
            raise ConfigError(f"start {start} is later than end {end}: no day lies between them")

    @abstractmethod
    def ratings(self, root: Path) -> pl.DataFrame:
        """Read the ratings: columns ``user``, ``item``, ``rating`` and ``time`` (seconds since 1970, UTC)."""

    @abstractmethod
    def categories(self, root: Path) -> pl.DataFrame:
        """Read the catalogue: columns ``item`` and ``categories`` (a list per item)."""

    def read(self, root: Path | None) -> InteractionLog:
        """Read the ratings of the chosen days.

        Raises:
            ConfigError: if no folder is given.
            DataError: if a file is missing or malformed, or no rating lies within the chosen days.
        """
        if root is None:
            raise ConfigError(f"{type(self).__name__} reads files: give the folder that holds them: --data.root FOLDER")
        ratings = self.ratings(root)
        day = pl.col("time") // _DAY + _EPOCH
        kept = pl.lit(True)
        if self.start:
            kept &= day >= self.start.toordinal()
        if self.end:
            kept &= day <= self.end.toordinal()
        rows = ratings.filter(kept)
        if rows.is_empty():
            first, last = (datetime.fromtimestamp(time, UTC).date() for time in ratings["time"].sort()[[0, -1]])
            raise DataError(
                f"no rating from {self.start or 'the beginning'} to {self.end or 'the end'}: those in {root} go from "
                f"{first} to {last}; choose start and end within"
            )
        label = (pl.col("rating") >= self.positive_from).alias("label")
        return InteractionLog.from_frame(rows.select("user", "item", label, "time"), self.categories(root))


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{name} {text!r} is not a date: write it as in 2014-01-31") from None
