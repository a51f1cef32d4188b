"""The MovieLens data sets (https://grouplens.org/datasets/movielens), with ``.csv`` files or older ``.dat`` ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.expected import Expected
from asmg_pl.data.sources.published import number, read_file, read_ratings, read_titles, separated
from asmg_pl.data.sources.ratings import RatingSource
from asmg_pl.data.tables.columns import Column


class MovieLens(RatingSource):
    """Ratings of films from 0.5 to 5 stars; the genres are the categories.

    Reads ``ratings.csv`` and ``movies.csv`` (25M, 32M, latest, latest-small) or, where there is no ``ratings.csv``,
    ``ratings.dat`` and ``movies.dat`` (1M, 10M).

    ``(no genres listed)`` is a genre like the others, as in the data set's own counts and in published results.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(MovieLens(positive_from=4, start="2014-01-01"), root="data/ml-25m")
        >>> data.source.start
        datetime.date(2014, 1, 1)
    """

    rating_range = (0.5, 5.0)

    def __init__(
        self,
        positive_from: float = 4.0,
        start: str | None = None,
        end: str | None = None,
        expected: dict[str, int] | None = None,
    ) -> None:
        """Choose the rows and their labels.

        Args:
            positive_from: the lowest positive rating; lower ratings are negative.
            start: first day to keep (UTC), as in 2014-01-31; by default from the beginning.
            end: last day to keep (UTC); by default to the end.
            expected: the numbers of ``users``, ``items``, ``categories`` and ``rows`` on these days. A warning says if
                the files have other numbers.

        Raises:
            ConfigError: if the threshold is no possible rating, a date is malformed or before ``start``, or
                ``expected`` has another name.
        """
        super().__init__(positive_from, start, end)
        self.expected = Expected(type(self).__name__, expected, ("users", "items", "categories", "rows"))

    def read(self, root: Path | None) -> InteractionLog:
        """See :meth:`RatingSource.read`."""
        log = super().read(root)
        self.expected.check(rows=len(log), **log.sizes._asdict())
        return log

    def ratings(self, root: Path) -> pl.DataFrame:
        """Read the file of ratings."""
        if _older(root):
            return read_ratings(root / "ratings.dat", self.rating_range)
        return read_ratings(root / "ratings.csv", self.rating_range, ("userId", "movieId", "rating", "timestamp"))

    def categories(self, root: Path) -> pl.DataFrame:
        """Read the genres from the file of films."""
        if _older(root):
            return read_titles(root / "movies.dat", encoding="latin-1")
        columns = [
            number("item", "movieId"),
            Column("categories", "genres", "genres", separated, "a list of genres"),
        ]
        return read_file(root / "movies.csv", columns)


def _older(root: Path) -> bool:
    return not (root / "ratings.csv").is_file() and (root / "ratings.dat").is_file()
