"""Draw the first page's picture, and print its table: the tuned plain update, published methods and ours on each stream.

    python tools/draw_streams.py docs/results/streams --ours residual_multi --picture docs/streams.svg

The folder has the ``comparison.csv`` that ``asmg compare`` wrote for each stream, called by the stream's name. The picture
shows each method's lift over the plain update with its 95 % interval; a stream's published method is the best one by AUC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import polars as pl
from jsonargparse import auto_cli
from matplotlib.figure import Figure

#: Methods that are not published by others, by pattern of their names.
OWN = ("residual_*", "row_*", "trend_*", "frozen*", "retrain*", "iu*")

Row = dict[str, Any]


class Stream(NamedTuple):
    """The three rows of a stream's comparison that the first page shows.

    Attributes:
        name: of the stream.
        plain: the plain update.
        published: the best published method.
        ours: our method.
    """

    name: str
    plain: Row
    published: Row
    ours: Row


def read(file: Path, plain: str, ours: str, own: Sequence[str] = OWN) -> Stream:
    """Choose the rows of a comparison.

    Args:
        file: the ``comparison.csv`` of a stream.
        plain: the name of the plain update, over which lifts are.
        ours: the name of our method.
        own: patterns of the methods that are not published by others.

    Raises:
        ValueError: if the file lacks one of the three rows.
    """
    rows = {row["method"]: row for row in pl.read_csv(file).iter_rows(named=True) if row["auc"] is not None}
    published = [row for name, row in rows.items() if not any(fnmatchcase(name, pattern) for pattern in (*own, ours))]
    if missing := [name for name in (plain, ours) if name not in rows]:
        raise ValueError(f"{file} has no method {missing[0]} with a score: choose from {', '.join(rows)}")
    if not published:
        raise ValueError(f"{file} has no published method with a score")
    best = max(published, key=lambda row: row["auc"])
    return Stream(file.stem.replace("_", " "), rows[plain], best, rows[ours])


def table(streams: Sequence[Stream]) -> str:
    """The table of the first page; the best AUC of a stream is bold."""
    lines = ["| stream | plain update, tuned | best published method | ours | lift (95 %) | seconds a period |"]
    lines.append("|---|---|---|---|---|---|")
    for name, plain, published, ours in streams:
        best = max(row["auc"] for row in (plain, published, ours))
        shown = [f"**{_auc(row)}**" if row["auc"] == best else _auc(row) for row in (plain, published, ours)]
        lift = f"{ours['lift']:+.4f}" + ("" if _unknown(ours) else f" ({ours['low']:+.4f} … {ours['high']:+.4f})")
        cost = f"{ours['seconds']:.2f}, plain {plain['seconds']:.2f}"
        lines.append(f"| {name} | {shown[0]} | `{published['method']}` {shown[1]} | {shown[2]} | {lift} | {cost} |")
    return "\n".join(lines)


def draw(streams: Sequence[Stream]) -> Figure:
    """Draw the lifts over the plain update: a pair of points for each stream, with their intervals."""
    canvas = Figure(figsize=(7, 0.9 + 0.55 * len(streams)), layout="constrained")
    axis = canvas.subplots()
    axis.axvline(0, color="grey", linewidth=1)
    for place, (_, _, published, ours) in enumerate(streams):
        for row, colour, shift, label in (
            (published, "0.55", 0.16, "best published method"),
            (ours, "C0", -0.16, "ours"),
        ):
            reach = [[0.0], [0.0]] if _unknown(row) else [[row["lift"] - row["low"]], [row["high"] - row["lift"]]]
            axis.errorbar(
                *(row["lift"], place + shift, None, [[max(0.0, end[0])] for end in reach]),
                **{"fmt": "o", "color": colour, "capsize": 3, "label": label if place == 0 else None},
            )
    axis.set_yticks(range(len(streams)), [stream.name for stream in streams])
    axis.set_ylim(len(streams) - 0.5, -0.5)
    axis.set_xlabel("AUC above the tuned plain update, mean of the test periods, 95 % interval")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="best", frameon=False)
    return canvas


def main(folder: Path, ours: str, plain: str = "iu", picture: Path | None = None) -> None:
    """Print the table, and draw the picture if a file is given.

    Args:
        folder: the comparisons, a CSV file for each stream.
        ours: the name of our method in them.
        plain: the name of the plain update in them.
        picture: the file to draw, SVG.
    """
    streams = [read(file, plain, ours) for file in sorted(folder.glob("*.csv"))]
    print(table(streams))
    if picture is not None:
        # Neither a date nor random names, so that the same figures give the same file.
        with matplotlib.rc_context({"svg.hashsalt": "streams", "svg.fonttype": "none"}):
            draw(streams).savefig(picture, metadata={"Date": None})


def _auc(row: Row) -> str:
    return f"{row['auc']:.4f}".lstrip("0")


def _unknown(row: Row) -> bool:
    """Whether a lift has no interval."""
    return row["low"] is None or math.isnan(row["low"])


if __name__ == "__main__":
    auto_cli(main, as_positional=True)
