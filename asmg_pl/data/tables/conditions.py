"""Conditions on the rows of a file, as a user writes them: a small grammar, and the expressions that it stands for.

    condition  =  COLUMN in (VALUE, …)   |  COLUMN not in (VALUE, …)
               |  COLUMN == VALUE        |  the same with !=, <, <=, >, >=
               |  COLUMN is missing      |  COLUMN is not missing

A name or a value with blanks, commas, brackets or comparison signs stands in quotes, ' or ".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from asmg_pl.data.tables.spelling import among
from asmg_pl.errors import ConfigError

_QUOTED = r"\"[^\"]*\"|'[^']*'"
_WORD = rf"(?:{_QUOTED}|[^\s\"'<>=!(),]+)"
_CONDITION = re.compile(
    rf"""\s*(?P<column>{_WORD})\s*
    (?: (?P<missing>is\s+missing|is\s+not\s+missing)
      | (?P<test>in|not\s+in)\s*\(\s*(?P<values>{_WORD}(?:\s*,\s*{_WORD})*)\s*\)
      | (?P<sign>==|!=|<=|>=|<|>)\s*(?P<value>{_WORD}) )\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_GRAMMAR = (
    "write it as one of COLUMN in (VALUE, VALUE), COLUMN not in (VALUE, VALUE), COLUMN == VALUE (also !=, <, <=, >, "
    ">=), COLUMN is missing, COLUMN is not missing, with quotes around a name or a value that has blanks, commas, "
    "brackets or comparison signs; several conditions are several --where"
)


@dataclass(frozen=True)
class Condition:
    """A condition on one column.

    Values are compared as ids are with ``--ids unified``: ``12`` and ``12.0`` are equal, and ``true`` is ``1``. A
    missing value equals nothing, and is neither less nor greater than anything.

    Attributes:
        column: the name of the column.
        test: ``in``, ``not in``, ``<``, ``<=``, ``>``, ``>=``, ``is missing`` or ``is not missing``.
        values: what the column is compared with.

    Examples:
        >>> Condition.parse("event in (view, 'add to cart')")
        Condition(column='event', test='in', values=('view', 'add to cart'))
        >>> table = pl.DataFrame({"price": ["9.5", "12", None]})
        >>> table.filter(Condition.parse("price < 10").holds(pl.col("price")))["price"].to_list()
        ['9.5']
    """

    column: str
    test: str
    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read a condition.

        Raises:
            ConfigError: if the text is not of the grammar.
        """
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise ConfigError(f"--where {text!r} is no condition: {_GRAMMAR}")
        column = _plain(found["column"])
        if found["missing"]:
            return cls(column, " ".join(found["missing"].lower().split()))
        if found["sign"]:
            test = {"==": "in", "!=": "not in"}.get(found["sign"], found["sign"])
            return cls(column, test, (_plain(found["value"]),))
        values = tuple(_plain(word) for word in re.findall(_WORD, found["values"]))
        return cls(column, " ".join(found["test"].lower().split()), values)

    def holds(self, text: pl.Expr) -> pl.Expr:
        """Whether the condition holds for texts; it does or does not, also for a missing one."""
        there = text.str.contains(r"\S").fill_null(value=False)
        if self.test == "is missing":
            return ~there
        if self.test == "is not missing":
            return there
        if self.test == "in":
            return there & among(text, self.values)
        if self.test == "not in":
            return ~(there & among(text, self.values))
        one, other = (text, pl.lit(self.values[0])) if self._bound is None else (_number(text), pl.lit(self._bound))
        compared = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[self.test]
        return there & compared.fill_null(value=False)

    def fault(self, text: pl.Expr) -> pl.Expr:
        """Why a text cannot be compared; null if it can. Text that is no number is not less than a number."""
        if self.test not in ("<", "<=", ">", ">=") or self._bound is None:
            return pl.lit(None, pl.String)
        odd = text.str.contains(r"\S") & _number(text).is_null()
        what = f"{self.column} '{{}}' is not a number, to be {self.test} {self.values[0]} (--where)"
        return pl.when(odd).then(pl.format(what, text.fill_null("").str.head(50)))

    @property
    def _bound(self) -> float | None:
        """The number with which the column is compared; ``None`` if texts are compared, such as dates."""
        try:
            return float(self.values[0])
        except ValueError:
            return None


def _plain(word: str) -> str:
    return word[1:-1] if word[0] in "\"'" else word


def _number(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)
