"""Files whose times are written in a form of their own, and are read as dates of ISO 8601."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from asmg_pl.data.tables.files import TableFile
from asmg_pl.data.tables.text import BLOCK
from asmg_pl.errors import ConfigError


class DatedFile(TableFile):
    """A file seen with the times of one column as dates of ISO 8601.

    A time that is not written in the given form is a malformed row.
    """

    def __init__(self, file: TableFile, column: str, form: str) -> None:
        """Choose the column and the form of its times.

        Args:
            file: the file.
            column: the column of times.
            form: how they are written, see :func:`check_form`.
        """
        self.path = file.path
        self.columns = file.columns
        self.has_header = file.has_header
        self.needs = file.needs
        self._file = file
        self._column, self._form = column, form

    def type_of(self, column: str) -> pl.DataType:
        """See :meth:`TableFile.type_of`."""
        return self._file.type_of(column)

    def read(self, wanted: dict[str, str], size: int = BLOCK) -> Iterator[tuple[pl.LazyFrame, int]]:
        """See :meth:`TableFile.read`."""
        names = [name for name, column in wanted.items() if column == self._column]
        for records, read in self._file.read(wanted, size):
            rows = records
            for name in names:
                iso, text = _iso(pl.col(name), self._form), pl.col(name)
                odd = text.is_not_null() & iso.is_null()
                why = pl.format("time '{}' is not written as {} (--time-format)", text.str.head(50), pl.lit(self._form))
                rows = rows.with_columns(fault=pl.coalesce("fault", pl.when(odd).then(why)), **{name: iso})
            sound = pl.col("fault").is_null()
            yield rows.with_columns(pl.when(sound).then(name).alias(name) for name in wanted), read


def check_form(form: str) -> None:
    """Refuse a form that no date can be read with.

    Args:
        form: directives as Python's ``strftime`` has them, such as ``%d.%m.%Y %H:%M``. A form with an hour needs no
            minute.

    Raises:
        ConfigError: if the form is not of that kind.
    """
    try:
        now = pl.select(pl.datetime(2001, 2, 3, 4, 5, 6).dt.replace_time_zone("UTC").dt.strftime(form)).item()
        read = pl.DataFrame({"time": [now]}).select(_iso(pl.col("time"), form)).item()
    except pl.exceptions.PolarsError:
        read = None
    if read is None or not read.startswith("2001-02-03"):
        raise ConfigError(
            f"--time-format {form!r} does not say how a day is written: use %Y or %y, %m, %d, and %H or %I with %p, "
            "%M, %S, as in '%d.%m.%Y %H:%M'"
        )


def _iso(text: pl.Expr, form: str) -> pl.Expr:
    """Times of this form as dates of ISO 8601 with microseconds, UTC where the form has no offset."""
    if ("%H" in form or "%I" in form) and "%M" not in form and "%S" not in form:
        form, text = f"{form} %M", text + " 00"
    moment = text.str.strip_chars().str.to_datetime(form, time_unit="us", strict=False)
    return moment.dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")
