"""The MovieLens data sets with ``ratings.csv`` and ``movies.csv`` (https://grouplens.org/datasets/movielens)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.sources.ratings import RatingSource
from asmg_pl.data.sources.text import read_categories, read_ratings


class MovieLens(RatingSource):
    """Ratings of films from 0.5 to 5 stars; the genres are the categories.

    ``(no genres listed)`` is a genre like the others: it is how the data set, and the results published on it, count.
    """

    rating_range = (0.5, 5.0)

    def __init__(self, positive_from: float = 4.0, start: str | None = None, end: str | None = None) -> None:
        """Choose the rows and their labels.

        Args:
            positive_from: ratings from here on are positive, those below negative.
            start: first day to keep (UTC), as in 2014-01-31; by default from the beginning.
            end: last day to keep (UTC); by default to the end.

        Raises:
            ConfigError: if the threshold is no possible rating, or a date is malformed or before ``start``.
        """
        super().__init__(positive_from, start, end)

    def ratings(self, root: Path) -> pl.DataFrame:
        """The rows of ``ratings.csv``."""
        return read_ratings(root / "ratings.csv", ",", self.rating_range, header="userId,movieId,rating,timestamp")

    def categories(self, root: Path) -> pl.DataFrame:
        """The genres of ``movies.csv``."""
        header = "movieId,title,genres"
        # A title with commas or quotes is quoted, its own quotes doubled. Unlike a CSV parser, which would look for the
        # end of an open quote in the following lines and swallow them, this finds the line that is wrong.
        pattern = r'(?<item>[0-9]+),(?:"(?:[^"]|"")*"|[^",]*),(?<categories>[^",]*)'
        return read_categories(root / "movies.csv", pattern, form=header, header=header)
