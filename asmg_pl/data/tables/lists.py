"""Lists within a field, as text files and JSON have them: ``N1 N2``, ``1,2``, ``[1, 2]`` and ``["a b", "c"]``."""

from __future__ import annotations

import polars as pl

_OTHER_ESCAPE = r"(?:^|[^\\])(?:\\\\)*\\[^\"\\]"
_ELEMENT = r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,\[\]\"']+"


def elements(text: pl.Expr) -> pl.Expr:
    """The elements of lists that are written as text, List(String); those of an empty or missing text are none.

    Elements stand between blanks or commas, maybe within square brackets. An element with blanks or commas stands in
    quotes, as in JSON.

    Examples:
        >>> lists = pl.DataFrame({"list": ["N1 N2", "[1, 2]", '["a b", "c"]', "[]"]})
        >>> lists.select(elements(pl.col("list"))).to_series().to_list()
        [['N1', 'N2'], ['1', '2'], ['a b', 'c'], []]
    """
    element = pl.element()
    quoted = element.str.contains(r"^[\"']")
    inner = element.str.slice(1, element.str.len_chars() - 2).str.replace_all(r"\\(.)", "${1}")
    plain = pl.when(quoted).then(inner).otherwise(element)
    return text.fill_null("").str.extract_all(_ELEMENT).list.eval(plain)


def several(text: pl.Expr, separator: str) -> pl.Expr:
    """The values of a field that may have several, List(String): those of a list in brackets, or between separators.

    Examples:
        >>> fields = pl.DataFrame({"tags": ["a b|c", '["a b", "c"]', ""]})
        >>> fields.select(several(pl.col("tags"), "|")).to_series().to_list()
        [['a b', 'c'], ['a b', 'c'], []]
    """
    bracketed = text.str.contains(r"^\s*\[.*\]\s*$") & is_list(text)
    values = pl.when(bracketed).then(elements(text)).otherwise(text.fill_null("").str.split(separator))
    return values.list.eval(pl.element().filter(pl.element() != ""))


def is_list(text: pl.Expr) -> pl.Expr:
    r"""Whether texts are written as such lists, so that no part of one would be lost.

    Of the escapes of JSON, ``\"`` and ``\\`` are read.
    """
    text = text.fill_null("")
    escaped = text.str.contains('"', literal=True) & text.str.contains(_OTHER_ESCAPE)
    return ~text.str.replace_all(_ELEMENT, "").str.contains(r"[^\s,\[\]]") & ~escaped


def written(values: pl.Expr) -> pl.Expr:
    """The text of lists, String, from which :func:`elements` reads them; null for a list with a null in it.

    Examples:
        >>> pl.DataFrame({"list": [[1, 2], []]}).select(written(pl.col("list"))).to_series().to_list()
        ['["1", "2"]', '[]']
    """
    escaped = pl.element().cast(pl.String).str.replace_all(r"([\\\"])", r"\${1}")
    return pl.format("[{}]", values.list.eval(pl.format('"{}"', escaped)).list.join(", ", ignore_nulls=False))
