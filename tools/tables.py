"""How the tools show their tables: Markdown, LaTeX and CSV of the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

_ESCAPED = {character: f"\\{character}" for character in "&%$#_{}"} | {"≈": "$\\approx$", "±": "$\\pm$"}


class Shown(NamedTuple):
    """A table as it is shown, all cells text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown(shown: Shown) -> str:
    """A Markdown table."""
    lines = [shown.header, ["---"] * len(shown.header), *shown.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex(shown: Shown) -> str:
    """A ``tabular`` for a paper that loads booktabs; columns of numbers are set to the right."""
    columns = zip(*shown.rows, strict=True)
    aligned = "".join("r" if all(map(_is_number, column)) else "l" for column in columns)
    head, *body = [" & ".join(map(_escaped, line)) + r" \\" for line in (shown.header, *shown.rows)]
    opening, closing = rf"\begin{{tabular}}{{{aligned}}}", r"\end{tabular}"
    return "\n".join([opening, r"\toprule", head, r"\midrule", *body, r"\bottomrule", closing])


def publish(rows: Sequence[Mapping[str, Any]], shown: Shown, path: Path) -> None:
    """Write the rows as CSV, and the table that shows them as Markdown and LaTeX; print the Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_csv(f"{path}.csv")
    Path(f"{path}.md").write_text(markdown(shown) + "\n")
    Path(f"{path}.tex").write_text(latex(shown) + "\n")
    print(markdown(shown))


def figure(value: float | None, form: str) -> str:
    """A number in some format, or nothing where there is none."""
    return "" if value is None or value != value else f"{value:{form}}"


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-").replace(".", "", 1).isdigit()


def _escaped(cell: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in cell)
