"""How the tools show their tables: Markdown, LaTeX and CSV of the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from asmg_pl.system import escaping


class Shown(NamedTuple):
    """A table as it is shown, all cells text.

    Attributes:
        header: titles of the columns.
        rows: the lines of cells.
        notes: sentences below the table.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def markdown(shown: Shown) -> str:
    """A Markdown table."""
    lines = [[escaping.markdown(cell) for cell in line] for line in (shown.header, *shown.rows)]
    lines.insert(1, ["---"] * len(shown.header))
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return table + "".join(f"\n\n{escaping.markdown(note)}" for note in shown.notes)


def latex(shown: Shown) -> str:
    """A ``tabular`` for a paper that loads booktabs; columns of numbers are set to the right."""
    columns = zip(*shown.rows, strict=True)
    aligned = "".join("r" if all(map(_is_number, column)) else "l" for column in columns)
    head, *body = [" & ".join(map(escaping.latex, line)) + r" \\" for line in (shown.header, *shown.rows)]
    opening, closing = rf"\begin{{tabular}}{{{aligned}}}", r"\end{tabular}"
    notes = [rf"\par {escaping.latex(note)}" for note in shown.notes]
    return "\n".join([opening, r"\toprule", head, r"\midrule", *body, r"\bottomrule", closing, *notes])


def publish(rows: Sequence[Mapping[str, Any]], shown: Shown, path: Path) -> None:
    """Write the rows as CSV, and the table that shows them as Markdown and LaTeX; print the Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [{name: escaping.plain(v) if isinstance(v, str) else v for name, v in row.items()} for row in rows]
    pl.DataFrame(plain, infer_schema_length=None).write_csv(f"{path}.csv", quote_style="non_numeric")
    Path(f"{path}.md").write_text(markdown(shown) + "\n", encoding="utf-8")
    Path(f"{path}.tex").write_text(latex(shown) + "\n", encoding="utf-8")
    print(markdown(shown))


def figure(value: float | None, form: str) -> str:
    """A number in some format, or nothing where there is none."""
    return "" if value is None or value != value else f"{value:{form}}"


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-").replace(".", "", 1).isdigit()
