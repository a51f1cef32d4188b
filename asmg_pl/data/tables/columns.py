"""What the columns of a table mean: ids, labels, times, and the context of an interaction.

Every value is text first. A column's expression makes it what it should be, or null, and then its meaning says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from asmg_pl.data.tables.spelling import AS_WRITTEN, BOOLEANS, Spelling


@dataclass(frozen=True)
class Column:
    """One column of a table and what it is taken for.

    Attributes:
        role: what it is taken for, the name of the column that it becomes.
        option: the option that named it.
        name: its name in the table's header.
        parse: from text to a value, or to null if it is none.
        meaning: completes the sentence "… is not", for text that is none.
        is_id: whether it holds ids of users or items.
        why: from text that is none to the sentence that says so; by default it is made of the meaning.
        unified: whether spellings of one number are one value.
    """

    role: str
    option: str
    name: str
    parse: Callable[[pl.Expr], pl.Expr]
    meaning: str
    is_id: bool = False
    why: Callable[[pl.Expr], pl.Expr] | None = None
    unified: bool = False

    def reason(self, text: pl.Expr) -> pl.Expr:
        """Why this text is none."""
        if self.why is not None:
            return self.why(text)
        return pl.format(f"{self.role} '{{}}' is not {self.meaning}", text.fill_null("").str.head(50))


def identifier(role: str, option: str, name: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """Ids: any text but a missing one."""

    def parse(text: pl.Expr) -> pl.Expr:
        id_ = spelling.of(text)
        return pl.when(id_.str.contains(r"\S")).then(id_)

    return Column(role, option, name, parse, "an id", is_id=True, unified=spelling.ids == "unified")


def text(role: str, option: str, name: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """Any text; a missing one is the empty text."""
    return Column(role, option, name, lambda text: spelling.of(text).fill_null(""), "text")


def feature(name: str, spelling: Spelling = AS_WRITTEN) -> Column:
    """Values of a context feature, any text; a missing one is the empty text, true and false are 1 and 0."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = spelling.of(text).fill_null("").replace(BOOLEANS)
        return pl.when(value.str.contains(r"\S")).then(value).otherwise(pl.lit(""))

    return Column(f"context {name}", "--context", name, parse, "text")


def label(name: str) -> Column:
    """Labels: 0 and 1, also written as 0.0, 1.0, false, true."""

    def parse(text: pl.Expr) -> pl.Expr:
        number = text.cast(pl.Float64, strict=False)
        word = text.str.to_lowercase()
        words = pl.when(word == "true").then(1.0).when(word == "false").then(0.0)
        value = pl.coalesce(number, words)
        return pl.when(value.is_in([0.0, 1.0])).then(value).cast(pl.UInt8)

    return Column("label", "--label", name, parse, "0 or 1")


def rating(name: str, positive_from: float) -> Column:
    """Ratings, made labels by a threshold."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = text.cast(pl.Float64, strict=False)
        return pl.when(value.is_finite()).then(value >= positive_from).cast(pl.UInt8)

    return Column("label", "--rating", name, parse, "a number")
