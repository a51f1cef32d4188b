"""The MovieLens data sets (https://grouplens.org/datasets/movielens), with ``.csv`` files or older ``.dat`` ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.expected import Expected
from asmg_pl.data.sources.ratings import RatingSource
from asmg_pl.data.sources.text import read_categories, read_ratings


class MovieLens(RatingSource):
    """Ratings of films from 0.5 to 5 stars; the genres are the categories.

    Reads ``ratings.csv`` and ``movies.csv`` (25M, 32M, latest, latest-small) or, where there is no ``ratings.csv``,
    ``ratings.dat`` and ``movies.dat`` (1M, 10M).

    ``(no genres listed)`` is a genre like the others: it is how the data set, and the results published on it, count.

    Example:
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
            positive_from: ratings from here on are positive, those below negative.
            start: first day to keep (UTC), as in 2014-01-31; by default from the beginning.
            end: last day to keep (UTC); by default to the end.
            expected: how many ``users``, ``items``, ``categories`` and ``rows`` these days have, to be warned if the
                files hold others.

        Raises:
            ConfigError: if the threshold is no possible rating, a date is malformed or before ``start``, or something
                else is expected.
        """
        super().__init__(positive_from, start, end)
        self.expected = Expected(type(self).__name__, expected, ("users", "items", "categories", "rows"))

    def read(self, root: Path | None) -> InteractionLog:
        """See :meth:`RatingSource.read`."""
        log = super().read(root)
        self.expected.check(rows=len(log), **log.sizes._asdict())
        return log

    def ratings(self, root: Path) -> pl.DataFrame:
        """The rows of the file of ratings."""
        if _older(root):
            return read_ratings(root / "ratings.dat", "::", self.rating_range)
        return read_ratings(root / "ratings.csv", ",", self.rating_range, header="userId,movieId,rating,timestamp")

    def categories(self, root: Path) -> pl.DataFrame:
        """The genres of the file of films."""
        if _older(root):
            pattern = r"(?<item>[0-9]+)::.*::(?<categories>[^:]*)"
            return read_categories(root / "movies.dat", pattern, form="movie::title::genre|genre", any_bytes=True)
        header = "movieId,title,genres"
        # A title with commas or quotes is quoted, its own quotes doubled. Unlike a CSV parser, which would look for the
        # end of an open quote in the following lines and swallow them, this finds the line that is wrong.
        pattern = r'(?<item>[0-9]+),(?:"(?:[^"]|"")*"|[^",]*),(?<categories>[^",]*)'
        return read_categories(root / "movies.csv", pattern, form=header, header=header)


def _older(root: Path) -> bool:
    return not (root / "ratings.csv").is_file() and (root / "ratings.dat").is_file()
