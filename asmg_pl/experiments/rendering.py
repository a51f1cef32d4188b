"""Printed tables: lines that fit a terminal, and Markdown, LaTeX and CSV of the same rows."""

from __future__ import annotations

import logging
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import combining, east_asian_width

import polars as pl

from asmg_pl.system import escaping

logger = logging.getLogger(__name__)

#: Blanks between two columns on a terminal, and the characters that a column keeps there, however narrow it is.
GAP, LEAST = 2, 6


class Printed(NamedTuple):
    """A table as it is printed, all cells text.

    Attributes:
        header: titles of the columns.
        rows: the lines of cells.
        notes: sentences below the table.
        details: titles of the columns that a narrow terminal leaves out, the least important first. Files have all.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    details: Sequence[str] = ()


def publish(rows: Sequence[Mapping[str, Any]], printed: Printed, path: Path) -> None:
    """Print a table, and write it as Markdown, LaTeX and CSV.

    Args:
        rows: the values behind the table, which the CSV file gets in full precision.
        printed: the table as text.
        path: of the files, without their endings.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [{name: escaping.plain(v) if isinstance(v, str) else v for name, v in row.items()} for row in rows]
    pl.DataFrame(plain, infer_schema_length=None).write_csv(f"{path}.csv", quote_style="non_numeric")
    Path(f"{path}.md").write_text(markdown(printed) + "\n", encoding="utf-8")
    Path(f"{path}.tex").write_text(latex(printed) + "\n", encoding="utf-8")
    print(for_terminal(printed, shutil.get_terminal_size().columns), flush=True)
    logger.info("wrote %s.md, .tex and .csv", path)


def for_terminal(printed: Printed, width: int = 80) -> str:
    """The table as aligned columns, none of whose lines is longer than the terminal is wide.

    Where it is too narrow, the columns in ``details`` go first; then the widest cells are folded.

    >>> print(for_terminal(Printed(["method", "AUC"], [["iu", "0.71"], ["gru_multi", "0.74"]])))
    method      AUC
    ---------  ----
    iu         0.71
    gru_multi  0.74
    """
    cells = [[escaping.terminal(cell) for cell in line] for line in (printed.header, *printed.rows)]
    kept = list(range(len(printed.header)))
    natural = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for title in printed.details:
        if _total([natural[column] for column in kept]) > width:
            kept.remove(list(printed.header).index(title))
    widths = [natural[column] for column in kept]
    while _total(widths) > width and max(widths) > LEAST:
        widths[widths.index(max(widths))] -= 1
    numeric = [all(_is_number(line[column]) for line in printed.rows) for column in kept]

    def lines(line: Sequence[str]) -> Iterator[str]:
        folded = [list(_folded(line[column], room)) for column, room in zip(kept, widths, strict=True)]
        for parts in zip_longest(*folded, fillvalue=""):
            aligned = [
                " " * (room - _width(part)) + part if right else part + " " * (room - _width(part))
                for part, room, right in zip(parts, widths, numeric, strict=True)
            ]
            yield (" " * GAP).join(aligned).rstrip()

    header, *body = cells
    shown = [
        *lines(header),
        (" " * GAP).join("-" * room for room in widths),
        *(one for row in body for one in lines(row)),
    ]
    notes = [textwrap.fill(escaping.terminal(note), width) for note in printed.notes]
    return "\n".join(shown) + "".join(f"\n\n{note}" for note in notes)


def markdown(printed: Printed) -> str:
    """A Markdown table."""
    lines = [[escaping.markdown(cell) for cell in line] for line in (printed.header, *printed.rows)]
    lines.insert(1, ["---"] * len(printed.header))
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return table + "".join(f"\n\n{escaping.markdown(note)}" for note in printed.notes)


def latex(printed: Printed) -> str:
    """A ``tabular`` for a paper that loads booktabs; columns of numbers are set to the right."""
    columns = zip(*printed.rows, strict=True)
    aligned = "".join("r" if all(map(_is_number, column)) else "l" for column in columns)
    head, *body = [" & ".join(map(escaping.latex, line)) + r" \\" for line in (printed.header, *printed.rows)]
    opening, closing = rf"\begin{{tabular}}{{{aligned}}}", r"\end{tabular}"
    notes = [rf"\par {escaping.latex(note)}" for note in printed.notes]
    return "\n".join([opening, r"\toprule", head, r"\midrule", *body, r"\bottomrule", closing, *notes])


def figure(value: float | None, form: str) -> str:
    """A number in some format; nothing where the number is missing or NaN."""
    return "" if value is None or value != value else f"{value:{form}}"


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-").replace(".", "", 1).isdigit()


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _width(text: str) -> int:
    """The columns that a text takes on a terminal: two for each wide character, as in Chinese."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _folded(text: str, room: int) -> Iterator[str]:
    """A text in lines of at most ``room`` columns, broken where a word of a name ends, or anywhere if need be."""
    line = ""
    for word in re.split(r"(?<=[ _,./=])", text):
        if _width(line + word) > room and line:
            yield line.rstrip(" ")
            line = ""
        while _width(word) > room:
            cut = next(end for end in range(len(word), 0, -1) if _width(word[:end]) <= room or end == 1)
            yield word[:cut]
            word = word[cut:]
        line += word
    yield line
