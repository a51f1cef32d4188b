"""Spellings of ids: ``12``, ``12.0``, ``0012`` and ``"12 "`` may be one id or several, and only the user knows.

Until the user decides, rows with two spellings of an id are refused, and so are texts that usually mean a missing
value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import polars as pl

Ids = Literal["unified", "as-written"]

#: Texts that programs write for a missing value, in lower case.
MISSING = (
    *("\\n", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "nat", "null", "(null)", "<null>", "nul", "nil", "none"),
    *("(none)", "<none>", "undefined", "[null]", "n.a.", "#null!"),
)
#: Further texts that people write for a missing id; in a context feature they may be values.
UNKNOWN = ("-", "--", "?", "unknown", "(unknown)", "missing", "n\\a", "void")

BOOLEANS = {"true": "1", "True": "1", "TRUE": "1", "false": "0", "False": "0", "FALSE": "0"}
_BLANKS = "".join(chr(c) for c in range(0x3001) if chr(c).isspace()) + "\u200b\u200c\u200d\u2060\ufeff"
_WHOLE = r"^([+-]?)0*([0-9]+)(?:\.0*)?$"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_MAY_BE_OTHERWISE = rf"{_NUMBER}|^\s|\s$|[^\x00-\x7F]|^(?i:true|false)$"
_EXACT = 2**53  # the largest float below which every whole number is a float


@dataclass(frozen=True)
class Spelling:
    """The rule by which texts become ids.

    Attributes:
        ids: ``unified`` if all spellings of a number or text are one id; ``as-written`` if each text is an id of its
            own; ``None`` is like ``as-written``, but refuses two spellings of one id.
        missing: texts that mean a missing value.
    """

    ids: Ids | None = None
    missing: tuple[str, ...] = ()

    def of(self, text: pl.Expr) -> pl.Expr:
        """The ids of texts; null for a missing value."""
        if self.missing:
            text = pl.when(~text.str.strip_chars(_BLANKS).is_in(list(self.missing))).then(text)
        return unified(text) if self.ids == "unified" else text


AS_WRITTEN = Spelling("as-written")


def unified(text: pl.Expr) -> pl.Expr:
    """The common spelling of a number or text: no blanks around it, and whole numbers as plain digits.

    True and false become 1 and 0. A number too large for all its digits to fit a float becomes null.
    """
    text = text.str.strip_chars(_BLANKS).str.normalize("NFC")
    whole = text.str.replace(_WHOLE, "${1}${2}").str.strip_prefix("+")
    number = pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)
    exact = pl.when(number.abs() < _EXACT).then(number)
    other = (
        pl.when(exact == exact.floor())
        .then(exact.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(exact.cast(pl.String))
    )
    by_digits = text.str.contains(_WHOLE)
    spelled = pl.when(by_digits).then(whole).when(number.is_null()).then(text).otherwise(other)
    return spelled.replace({"-0": "0", **BOOLEANS})


def among(text: pl.Expr, values: Sequence[str]) -> pl.Expr:
    """Whether a text is one of these values, in any spelling of the value; null for a missing text.

    Examples:
        >>> table = pl.DataFrame({"kind": ["view", "2.0", "3"]})
        >>> table.filter(among(pl.col("kind"), ["view", "2"]))["kind"].to_list()
        ['view', '2.0']
    """
    given = pl.Series(values, dtype=pl.String).to_frame("value")
    known = given.select(pl.coalesce(unified(pl.col("value")), "value")).to_series()
    if known.str.contains(_NUMBER).any():
        return pl.coalesce(unified(text), text).is_in(known.implode())
    return text.str.strip_chars(_BLANKS).str.normalize("NFC").is_in(known.implode())


class Twofold(NamedTuple):
    """An example of an id with two spellings.

    Attributes:
        one: the first spelling.
        other: the second spelling.
        ids: the number of ids with two spellings.
    """

    one: str
    other: str
    ids: int


def twofold(texts: pl.Series, known: pl.Series | None = None, feature: bool = False) -> Twofold | None:
    """Find an id with two spellings.

    Args:
        texts: the ids of all rows.
        known: ids of other rows. An id whose spellings are all among them is not reported again.
        feature: whether these are values of a context feature, where a missing value is a value too.

    Returns:
        The first such id in the order of spellings; ``None`` if there is none.
    """
    new = texts.unique().alias("text")
    old = pl.Series("text", [], pl.String) if known is None else known.unique().cast(pl.String).alias("text")
    distinct = pl.concat([new, old]).unique().to_frame()
    text, other = pl.col("text"), keyed(distinct, feature)
    plain = distinct.join(other, on="text", how="anti").join(
        other.select("key").unique(), left_on="text", right_on="key", how="semi"
    )
    spelled = pl.concat([other, plain.with_columns(key=text)]).sort("key", "text")
    twice = spelled.filter(pl.col("key").is_duplicated(), (~text.is_in(old.implode())).any().over("key"))
    if twice.is_empty():
        return None
    return Twofold(twice["text"][0], twice["text"][1], twice["key"].n_unique())


def keyed(texts: pl.DataFrame, feature: bool = False) -> pl.DataFrame:
    """Those of distinct texts, a column ``text``, that may be another spelling, with the common one as ``key``."""
    text = pl.col("text")
    other = texts.filter(text.str.contains(_MAY_BE_OTHERWISE))
    other = other.with_columns(key=pl.coalesce(unified(text), text))
    if not feature:
        return other
    missing = texts.filter(text.str.to_lowercase().is_in(["", *MISSING]))
    return pl.concat([other, missing.with_columns(key=pl.lit(""))])


def looks_missing(text: pl.Expr) -> pl.Expr:
    """Whether a text usually stands for a missing id."""
    return text.str.strip_chars(_BLANKS).str.to_lowercase().is_in([*MISSING, *UNKNOWN])


def doubtful(texts: pl.Series) -> tuple[str, int] | None:
    """Find the most frequent id that looks like a missing value, and its number of rows."""
    words = texts.unique().to_frame("text").filter(looks_missing(pl.col("text"))).to_series()
    if words.is_empty():
        return None
    counts = texts.filter(texts.is_in(words.implode())).value_counts(sort=True)
    text: str = counts[texts.name][0]
    return text, int(counts["count"][0])
