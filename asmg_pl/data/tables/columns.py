"""The meanings of an input file's columns: ids, labels, times, and features.

Every value is text at first. A column parses the text into a value, or into null and a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from asmg_pl.data.kernels import texts as kernel
from asmg_pl.data.tables.lists import several
from asmg_pl.data.tables.spelling import AS_WRITTEN, BOOLEANS, Spelling, among


class Rest(NamedTuple):
    """The rest of parsing, which looks at a whole column first, to leave out what no value needs.

    Attributes:
        parse: turns what has been read into values, one for each.
        kind: the type of the values.
    """

    parse: Callable[[pl.Series], pl.Series]
    kind: type[pl.DataType]


@dataclass(frozen=True)
class Column:
    """One column of an input file, and its meaning.

    Attributes:
        role: the name of the column that it becomes, such as ``user``.
        option: the command-line option that names it, for messages.
        name: its name in the file's header.
        read: turns text into a value, or into null if the text is malformed.
        meaning: completes the sentence "… is not" about malformed text.
        is_id: whether it holds ids of users or items.
        why: turns malformed text into the sentence that says so; by default the sentence is made of the meaning.
        unified: whether different spellings of a number are one value.
        is_list: whether a value is a list, see :mod:`~asmg_pl.data.tables.lists`.
        rest: what is still to be done with what has been read; by default nothing.
    """

    role: str
    option: str
    name: str
    read: Callable[[pl.Expr], pl.Expr]
    meaning: str
    is_id: bool = False
    why: Callable[[pl.Expr], pl.Expr] | None = None
    unified: bool = False
    is_list: bool = False
    rest: Rest | None = None

    def parse(self, text: pl.Expr) -> pl.Expr:
        """Turn text into a value, or into null if the text is malformed."""
        found = self.read(text)
        if self.rest is None:
            return found
        return found.map_batches(self.rest.parse, return_dtype=self.rest.kind, is_elementwise=True)

    def reason(self, text: pl.Expr) -> pl.Expr:
        """The reason why this text is malformed."""
        if self.why is not None:
            return self.why(text)
        return pl.format(f"{self.role} '{{}}' is not {self.meaning}", text.fill_null("").str.head(50))


def identifier(role: str, option: str, name: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """A column of ids: any text that is not missing."""

    def parse(text: pl.Expr) -> pl.Expr:
        id_ = spelling.of(text)
        return pl.when(id_.str.contains(r"\S")).then(id_)

    return Column(role, option, name, parse, "an id", is_id=True, unified=spelling.ids == "unified")


def text(role: str, option: str, name: str, spelling: Spelling = AS_WRITTEN, is_list: bool = False) -> Column:
    """A column of any text, or of lists, which become text; missing values become the empty text."""
    return Column(role, option, name, lambda text: spelling.of(text).fill_null(""), "text", is_list=is_list)


def feature(name: str, spelling: Spelling = AS_WRITTEN, option: str = "--context") -> Column:
    """A column of context values, any text; missing values become the empty text, true and false become 1 and 0."""

    def read(text: pl.Expr) -> pl.Expr:
        return spelling.of(text).fill_null("")

    return Column(f"context {name}", option, name, read, "text", rest=Rest(_values, pl.String))


def number(option: str, name: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """A column of numbers; missing values become NaN."""
    mend = ": if it means a missing value, name it with --missing"
    rest = Rest(_floats, pl.Float32)
    return Column(f"number {name}", option, name, spelling.of, f"a number of 32 bits{mend}", rest=rest)


def further_label(name: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """A column of further labels, from 0 to 1, also written as false and true; missing values become NaN."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = _numeric(text.replace(BOOLEANS), spelling)
        return pl.when(value.is_between(0, 1) | value.is_nan()).then(value)

    return Column(f"further {name}", "--labels", name, parse, "from 0 to 1")


def weight(name: str) -> Column:
    """A column of weights."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = _numeric(text, AS_WRITTEN)
        return pl.when(value.is_not_nan() & (value >= 0)).then(value)

    return Column(f"weight {name}", "--weight", name, parse, "a number from 0 on")


def values(option: str, name: str, separator: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """A column of lists, with a text between their values or as JSON and Parquet have them; missing ones are empty."""

    def parse(text: pl.Expr) -> pl.Expr:
        return several(spelling.of(text), separator)

    return Column(f"list {name}", option, name, parse, "text", is_list=True)


def _values(words: pl.Series) -> pl.Series:
    """Write true and false as 1 and 0, and blank texts as the empty one; to look whether there are any is faster."""
    if kernel.computes(words) and not kernel.any_special(words):
        return words
    may_be_boolean = words.str.len_bytes().is_between(4, 5).any()
    words = words.replace(BOOLEANS) if may_be_boolean and words.is_in([*BOOLEANS]).any() else words
    may_be_blank = words.filter((words < "!") | (words > "~"))  # other texts begin with a character that is no blank
    if may_be_blank.str.contains(r"^\s+$").any():
        words = words.str.replace(r"^\s+$", "")
    return words


#: How the roles of columns with features begin; the column's name comes after it.
OF_FEATURES = ("context ", "number ", "list ", "weight ", "further ")


def _numeric(text: pl.Expr, spelling: Spelling) -> pl.Expr:
    """The numbers of texts, Float32: NaN for missing values, null for texts that are no such numbers."""
    return spelling.of(text).map_batches(_floats, return_dtype=pl.Float32, is_elementwise=True)


def _floats(texts: pl.Series) -> pl.Series:
    """The numbers of texts, see :func:`_numeric`; only texts that are no numbers are looked at again."""
    if kernel.computes(texts) and (plain := kernel.plain_numbers(texts)) is not None:
        return pl.Series(texts.name, plain)
    value = texts.cast(pl.Float64, strict=False).cast(pl.Float32)
    finite = value.is_finite()  # null where the value is
    if not finite.all():
        value = value.set(~finite, None)
    odd = value.null_count()
    if not odd:
        return value
    if texts.null_count() + (texts == "").sum() == odd:  # a missing text is no number, so these are all
        return value.fill_null(float("nan"))
    blank = (texts.str.strip_chars() == "").fill_null(True)
    return value.set(value.is_null() & blank, float("nan"))


def label(name: str) -> Column:
    """A column of labels: 0 and 1, also written as 0.0, 1.0, false, true."""

    def parse(text: pl.Expr) -> pl.Expr:
        number = text.cast(pl.Float64, strict=False)
        word = text.str.to_lowercase()
        words = pl.when(word == "true").then(1.0).when(word == "false").then(0.0)
        value = pl.coalesce(number, words)
        return pl.when(value.is_in([0.0, 1.0])).then(value).cast(pl.UInt8)

    return Column("label", "--label", name, parse, "0 or 1")


def event(name: str, positive: Sequence[str], spelling: Spelling = AS_WRITTEN) -> Column:
    """A column of kinds of events, of which some are positive.

    Its values are 1 for the first of the positive kinds, 2 for the second and so on, and 0 for all other kinds.
    """

    def parse(text: pl.Expr) -> pl.Expr:
        kind = spelling.of(text)
        number = pl.coalesce(
            *(pl.when(among(kind, [one])).then(number) for number, one in enumerate(positive, 1)), pl.lit(0)
        )
        return pl.when(kind.str.contains(r"\S")).then(number).cast(pl.UInt16)

    return Column("label", "--label", name, parse, "the kind of an event")


def rating(name: str, positive_from: float) -> Column:
    """A column of ratings, which a threshold turns into labels."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = text.cast(pl.Float64, strict=False)
        return pl.when(value.is_finite()).then(value >= positive_from).cast(pl.UInt8)

    return Column("label", "--rating", name, parse, "a number")
