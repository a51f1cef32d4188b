"""The table: each method's means over the test periods, beside the figures that ADER's authors have published.

``published.csv`` has these figures, in per cent: Mi, Lin and Faltings, RecSys 2020, means over the 16 test weeks of
DIGINETICA.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from asmg_pl.experiments.next_item.methods import METHODS
from asmg_pl.experiments.next_item.settings import FULL, Settings
from asmg_pl.experiments.rendering import Printed, figure

COLUMNS = {"recall_20": "Recall@20", "mrr_20": "MRR@20", "recall_10": "Recall@10", "mrr_10": "MRR@10"}


def published() -> dict[str, dict[str, float]]:
    """The published figures by method and metric, in per cent."""
    rows = pl.read_csv(Path(__file__).with_name("published.csv")).iter_rows(named=True)
    return {row.pop("method"): row for row in rows}


def means(periods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each method: its means over the periods in per cent, and the published ones.

    Args:
        periods: a row for each method and period, with the figures as shares.

    Returns:
        Rows with ``None`` for what nobody has published.
    """
    theirs, rows = published(), []
    for name in dict.fromkeys(row["method"] for row in periods):
        own = [row for row in periods if row["method"] == name]
        row: dict[str, Any] = {"method": name, "periods": len(own)}
        for metric in COLUMNS:
            beside = theirs[name][metric] if name in theirs else None
            row |= {metric: 100 * fmean(each[metric] for each in own), f"published_{metric}": beside}
        rows.append(row)
    return rows


def show(rows: Sequence[dict[str, Any]], settings: Settings) -> Printed:
    """The table as text, which says where the figures cannot be compared with the published ones."""
    header = ["method", *(title for name in COLUMNS.values() for title in (name, f"{name} published"))]
    lines = [
        [
            METHODS[row["method"]].title,
            *(figure(row[key], ".2f") for metric in COLUMNS for key in (metric, f"published_{metric}")),
        ]
        for row in rows
    ]
    notes = [f"Per cent, means over {settings.periods} test weeks; ranks are among all items known by then."]
    if settings != FULL:
        notes.append(
            f"These figures are of a small setting: width {settings.width}, {len(settings.clicks)} weeks of "
            f"{sum(settings.clicks)} clicks in all, at most {settings.epochs} epochs. They are not comparable with the "
            "published ones."
        )
    details = [title for name in reversed(COLUMNS.values()) for title in (f"{name} published", name)]
    return Printed(header, lines, notes, details[: 2 * (len(COLUMNS) - 2)])
