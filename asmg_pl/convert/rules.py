"""The rules by which a conversion takes rows or leaves them out, and checks of its options against each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from asmg_pl.convert.repeated import Repeated
from asmg_pl.convert.settings import Settings
from asmg_pl.data.tables.late import Treatment
from asmg_pl.data.tables.times import UNITS, TimeUnit
from asmg_pl.errors import ConfigError

#: What converts.
Engine = Literal["polars", "spark"]

_DAY, _EPOCH = 24 * 60 * 60, date(1970, 1, 1).toordinal()
_FOREVER = 2**62


@dataclass(frozen=True)
class Rules:
    """Which rows a conversion takes.

    Attributes:
        first_day: the first day to keep (UTC); ``None`` if there is none.
        last_day: the last day to keep.
        max_bad_rows: the most malformed rows to leave out.
        late: the treatment of rows that are earlier than the stream's end.
        repeated: the treatment of rows that are there already.
    """

    first_day: date | None
    last_day: date | None
    max_bad_rows: int = 0
    late: Treatment = "refuse"
    repeated: Repeated = "refuse"

    @classmethod
    def of(cls, start: str | None, end: str | None, max_bad_rows: int, late: Treatment, repeated: Repeated) -> Rules:
        """Make rules of options.

        Raises:
            ConfigError: if one is out of range, or no day lies between the first and the last.
        """
        if max_bad_rows < 0:
            raise ConfigError(f"--max-bad-rows must not be negative, got {max_bad_rows}")
        first_day, last_day = _day("--start", start), _day("--end", end)
        if first_day and last_day and first_day > last_day:
            raise ConfigError(f"--start {start} is later than --end {end}: no day lies between them")
        return cls(first_day, last_day, max_bad_rows, late, repeated)

    def days(self, unit: TimeUnit) -> pl.Expr | None:
        """Whether a row's ``time``, in this unit, lies within the days; ``None`` if there is no limit."""
        if self.first_day is None and self.last_day is None:
            return None
        begin = 0 if self.first_day is None else (self.first_day.toordinal() - _EPOCH) * _DAY
        end = _FOREVER if self.last_day is None else (self.last_day.toordinal() - _EPOCH + 1) * _DAY
        return (pl.col("time") // UNITS[unit][0]).is_between(begin, end, closed="left")


def check_place(folder: Path, append: bool, wait: float) -> None:
    """Check that a stream can be written to a folder.

    Raises:
        ConfigError: if it cannot, or the time to wait is none.
    """
    if append and not folder.is_dir():
        raise ConfigError(f"there is no stream {folder} to append to: leave --append out")
    if not append and folder.exists():
        raise ConfigError(f"{folder} exists: choose another --out, or add newer rows to it with --append")
    if not (parent := next(parent for parent in folder.absolute().parents if parent.exists())).is_dir():
        raise ConfigError(f"{parent} is a file, in which --out {folder} cannot be: choose another --out")
    if not 0 <= wait < _FOREVER:
        raise ConfigError(f"--wait must be a number of seconds, got {wait}")


def check_sides(settings: Settings, items: str | Path | None, users: str | Path | None, append: bool) -> None:
    """Check that the files of items and of users are there whose columns the settings name, and no others.

    Raises:
        ConfigError: if one is missing, or none of its columns is named.
    """
    if items is not None and settings.item_id is None:
        raise ConfigError(
            "--items needs --item-id COL and --categories COL (or features of items): they name its columns"
        )
    if users is not None and not settings.features.users:
        raise ConfigError("--users needs --user-context, --user-numbers or --user-lists: they name its columns")
    if items is None and settings.item_id is not None and (not append or settings.features.items):
        raise ConfigError(
            "--item-id COL and --categories COL (or features) name columns of a file of items: give --items FILE"
        )
    if users is None and settings.features.users:
        raise ConfigError("the features of users name columns of a file of users: give --users FILE")


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a date: write it as in 2014-01-31") from None
