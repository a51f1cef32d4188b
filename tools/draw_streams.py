r"""Make the table and the chart of the first pages: the tuned plain update, the best published method, and ours.

    python tools/draw_streams.py docs/results/streams --ours row_head --picture docs/streams.svg \
        --pages README.md docs/index.md

The folder has the ``comparison.csv`` that ``asmg compare`` wrote for each stream, called by the stream's name. The
chart shows lifts over the plain update with their 95 % intervals: that of the published method with the best AUC, and
ours.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import polars as pl
from matplotlib.figure import Figure

PUBLISHED, OURS = "best published", "ours"
#: Characters of the text chart's axis, and the largest lift on it.
WIDTH, LIMIT = 41, 0.03
#: Methods that are not published by others, by pattern of their names.
OWN = ("residual_*", "row_*", "trend_*", "dense_ema*", "*_guard", "frozen*", "retrain*", "iu*")

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
        plain: the name of the plain update. The better one of this row and ``NAME_tuned`` is the one over which lifts
            are.
        ours: the name of our method.
        own: patterns of the methods that are not published by others.

    Raises:
        ValueError: if the file lacks one of the three rows, or has lifts over another method than the plain update.
    """
    rows = {row["method"]: row for row in pl.read_csv(file).iter_rows(named=True) if row["auc"] is not None}
    walked = [name for name in (plain, f"{plain}_tuned") if name in rows]
    plain = max(walked, key=lambda name: rows[name]["auc"], default=plain)
    published = [row for name, row in rows.items() if not any(fnmatchcase(name, pattern) for pattern in (*own, ours))]
    if missing := [name for name in (plain, ours) if name not in rows]:
        raise ValueError(f"{file} has no method {missing[0]} with a score: choose from {', '.join(rows)}")
    if rows[plain]["lift"]:
        raise ValueError(f"{file} has lifts over another method than {plain}: write it with --baseline {plain}")
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


def chart(streams: Sequence[Stream]) -> str:
    """The chart as text, which looks the same wherever it is shown: a mark at each lift, a line along its interval."""
    rows = [(stream.name, label, row) for stream in streams for label, row in _pair(stream)]
    ends = [0.0, *(end for *_, row in rows for end in _ends(row))]
    first, last = max(min(ends), -LIMIT), min(max(ends), LIMIT)
    step = (last - first) / (WIDTH - 1) or 1.0

    def place(lift: float) -> int:
        return min(max(round((lift - first) / step), 0), WIDTH - 1)

    lines = []
    for name, label, row in rows:
        low, high = (place(end) for end in _ends(row))
        cells = [" "] * WIDTH
        cells[low : high + 1] = ["─"] * (high + 1 - low)
        cells[place(0.0)] = "┼" if low <= place(0.0) <= high else "│"
        cells[place(row["lift"])] = "●" if -LIMIT <= row["lift"] <= LIMIT else "◀" if row["lift"] < 0 else "▶"
        lines.append(f"{name if label == PUBLISHED else '':16} {label:15} {''.join(cells)} {row['lift']:+.4f}")
    return "\n".join(line.rstrip() for line in lines)


def draw(streams: Sequence[Stream]) -> Figure:
    """Draw the lifts over the plain update: a pair of points for each stream, with their intervals."""
    canvas = Figure(figsize=(7, 0.9 + 0.55 * len(streams)), layout="constrained")
    axis = canvas.subplots()
    axis.axvline(0, color="grey", linewidth=1)
    for place, stream in enumerate(streams):
        for (label, row), colour, shift in zip(_pair(stream), ("0.55", "C0"), (0.16, -0.16), strict=True):
            low, high = _ends(row)
            reach = [[max(0.0, row["lift"] - low)], [max(0.0, high - row["lift"])]]
            shown = label if place == 0 else None
            axis.errorbar(row["lift"], place + shift, xerr=reach, fmt="o", color=colour, capsize=3, label=shown)
    axis.set_yticks(range(len(streams)), [stream.name for stream in streams])
    axis.set_ylim(len(streams) - 0.5, -0.5)
    axis.set_xlabel("AUC above the tuned plain update, mean of the test periods, 95 % interval")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return canvas


def renewed(page: str, streams: Sequence[Stream]) -> str:
    """A page with a new table of streams, and with a new chart if it has one, a fenced block of ``text``."""
    page = re.sub(
        r"^\| stream \| plain update, tuned .*?\n(?!\|)", lambda _: table(streams) + "\n", page, flags=re.M | re.S
    )
    return re.sub(r"(?<=^```text\n).*?\n(?=```)", lambda _: chart(streams) + "\n", page, flags=re.M | re.S)


def main(folder: Path, ours: str, plain: str = "iu", picture: Path | None = None, pages: Sequence[Path] = ()) -> None:
    """Print the table and the chart, draw the chart if a file is given, and renew pages.

    Args:
        folder: the comparisons, a CSV file for each stream.
        ours: the name of our method in them.
        plain: the name of the plain update in them; see :func:`read`.
        picture: the file to draw, SVG.
        pages: the Markdown files whose table and chart are replaced.
    """
    streams = [read(file, plain, ours) for file in sorted(folder.glob("*.csv"))]
    print(f"{table(streams)}\n\n{chart(streams)}")
    for page in pages:
        page.write_text(renewed(page.read_text(), streams))
    if picture is not None:
        # Neither a date nor random names, so that the same figures give the same file.
        with matplotlib.rc_context({"svg.hashsalt": "streams", "svg.fonttype": "none"}):
            draw(streams).savefig(picture, metadata={"Date": None})


def _pair(stream: Stream) -> tuple[tuple[str, Row], tuple[str, Row]]:
    return (PUBLISHED, stream.published), (OURS, stream.ours)


def _ends(row: Row) -> tuple[float, float]:
    """The ends of a lift's interval; the lift is both of them if it has none."""
    return (row["lift"], row["lift"]) if _unknown(row) else (row["low"], row["high"])


def _auc(row: Row) -> str:
    return f"{row['auc']:.4f}".lstrip("0")


def _unknown(row: Row) -> bool:
    """Whether a lift has no interval."""
    return row["low"] is None or math.isnan(row["low"])


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the comparisons, a CSV file for each stream")
    parser.add_argument("--ours", required=True, help="the name of our method in them")
    parser.add_argument("--plain", default="iu", help="the name of the plain update (default: iu)")
    parser.add_argument("--picture", type=Path, help="the file to draw, SVG")
    parser.add_argument("--pages", nargs="+", type=Path, default=(), help="the pages to renew")
    main(**vars(parser.parse_args()))
