"""DIGINETICA: views of items in an online shop, from the CIKM Cup 2016."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asmg_pl.data.sources.clicks import ClickSource
from asmg_pl.data.sources.published import number, read_file, seconds
from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables import times
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.text import Dialect

ORIGINAL, TABLE = "train-item-views.csv", "clicks.csv.gz"


class Diginetica(ClickSource):
    """Views of items, in sessions. The session is the user, since few sessions have a user.

    Reads ``train-item-views.csv`` as it was published, or else a table ``clicks.csv`` (or ``.csv.gz``) with the columns
    ``session``, ``item`` and ``time`` (seconds since 1970). The published file has the day of a session and the
    milliseconds of a view since the session began. The time of a view is their sum.

    Examples:
        Files are read when the walk begins:

        >>> from asmg_pl.data import PeriodDataModule
        >>> data = PeriodDataModule(Diginetica(negatives=2), root="data/diginetica", batch_size=256)
        >>> data.source.candidates
        'seen'
    """

    def clicks(self, root: Path) -> pl.DataFrame:
        """Read the views."""
        if not (root / ORIGINAL).is_file() and ((root / TABLE).is_file() or (root / TABLE).with_suffix("").is_file()):
            return read_file(root / TABLE, [_id("user", "session"), _id("item", "item"), seconds("time")])
        columns = [
            _id("user", "sessionId"),
            _id("item", "itemId"),
            times.time("eventdate", "iso"),
            number("milliseconds", "timeframe"),
        ]
        views = read_file(root / ORIGINAL, columns, Dialect(";"))
        return views.select("user", "item", time=pl.col("time") // 1_000_000 + pl.col("milliseconds") // 1000)


def _id(role: str, name: str) -> Column:
    return meaning.identifier(role, role, name)
