"""MovieTweetings: ratings of films that people tweeted (https://github.com/sidooms/MovieTweetings)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.sources.published import read_ratings, read_titles
from asmg_pl.data.sources.ratings import RatingSource


class MovieTweetings(RatingSource):
    """Ratings of films from 0 to 10, from ``ratings.dat``; the genres in ``movies.dat`` are the categories.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(MovieTweetings(positive_from=9), root="data/movietweetings")
        >>> data.source.rating_range
        (0.0, 10.0)
    """

    rating_range = (0.0, 10.0)

    def __init__(self, positive_from: float = 8.0, start: str | None = None, end: str | None = None) -> None:
        """Choose the rows and their labels.

        Args:
            positive_from: the lowest positive rating; lower ratings are negative.
            start: first day to keep (UTC), as in 2014-01-31; by default from the beginning.
            end: last day to keep (UTC); by default to the end.

        Raises:
            ConfigError: if the threshold is no possible rating, or a date is malformed or before ``start``.
        """
        super().__init__(positive_from, start, end)

    def ratings(self, root: Path) -> pl.DataFrame:
        """Read the ratings from ``ratings.dat``."""
        return read_ratings(root / "ratings.dat", self.rating_range)

    def categories(self, root: Path) -> pl.DataFrame:
        """Read the genres from ``movies.dat``."""
        return read_titles(root / "movies.dat")
