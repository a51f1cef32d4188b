"""Sobazaar: anonymised actions of a fashion app's users on products."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.negatives import Candidates
from asmg_pl.data.sources.clicks import ClickSource, days
from asmg_pl.data.sources.published import read_file
from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables import times
from asmg_pl.errors import ConfigError, DataError

FILE = "Sobazaar-hashID.csv.gz"


class Sobazaar(ClickSource):
    """All actions in ``Sobazaar-hashID.csv.gz``, of all kinds; there are no categories.

    Rows before the first day are not in the stream. They are in its histories, and their items are no negatives of the
    same users.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(Sobazaar(negatives=2), root="data/sobazaar")
        >>> data.source.end
        datetime.date(2014, 12, 31)
    """

    def __init__(
        self,
        start: str = "2014-09-01",
        end: str = "2014-12-31",
        negatives: int = 1,
        seed: int = 1234,
        expected: dict[str, int] | None = None,
        candidates: Candidates = "seen",
    ) -> None:
        """Choose the days and the negatives.

        Args:
            start: first day of the stream (UTC).
            end: last day of the stream (UTC).
            negatives: the number of negatives per row, drawn uniformly.
            seed: the seed of the draws.
            expected: the numbers of ``users``, ``items`` and ``positives`` in the whole file. A warning says if it has
                other numbers.
            candidates: the items that can be drawn: those ``seen`` up to a row, or those of the ``whole_stream``,
                which is only for reproducing the published preprocessing.

        Raises:
            ConfigError: if a number is negative, or a date malformed or before ``start``.
        """
        super().__init__(negatives, seed, expected, candidates)
        try:
            self.start, self.end = date.fromisoformat(start), date.fromisoformat(end)
        except ValueError as error:
            raise ConfigError(f"source.start and source.end are dates as in 2014-09-01: {error}") from None
        if self.start > self.end:
            raise ConfigError(f"start {start} is later than end {end}: no day lies between them")

    def clicks(self, root: Path) -> pl.DataFrame:
        """Read all rows of the file."""
        columns = [
            meaning.identifier("user", "user", "UserID"),
            meaning.identifier("item", "item", "ItemID"),
            times.time("Timestamp", "iso"),
        ]
        return read_file(root / FILE, columns).with_columns(time=pl.col("time") // 1_000_000)

    def read(self, root: Path | None) -> InteractionLog:
        """See :meth:`ClickSource.read`; raises :class:`DataError` also if no row lies within the chosen days."""
        first, last = (
            int(datetime.combine(day, time(), UTC).timestamp()) for day in (self.start, self.end + timedelta(days=1))
        )
        log = days(super().read(root), first, last)
        if not len(log):
            raise DataError(f"{FILE} has no row from {self.start} to {self.end}: choose start and end within")
        return log
