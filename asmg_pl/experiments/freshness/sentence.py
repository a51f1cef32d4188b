"""What a period's delay costs, as a sentence, and the printed table of the curve."""

from __future__ import annotations

import math
import re

from asmg_pl.data import Calendar, Periods
from asmg_pl.experiments.freshness.curve import Curve
from asmg_pl.experiments.rendering import Printed, figure

#: The words for one period of a calendar, by unit.
UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "q": "quarter", "y": "year"}


def delay(periods: Periods) -> str:
    """A delay by one period, with the period's length where a calendar says it.

    Examples:
        >>> from asmg_pl.data import Calendar, EqualCounts
        >>> delay(Calendar("1d")), delay(Calendar("6h")), delay(EqualCounts(31))
        ("a day's delay", 'a delay of 6 hours', "a period's delay")
    """
    found = re.fullmatch(r"(\d+)(mo|[mhdwqy])", periods.every) if isinstance(periods, Calendar) else None
    if found is None:
        return "a period's delay"
    count, unit = int(found[1]), UNITS[found[2]]
    return f"{'an' if unit[0] == 'h' else 'a'} {unit}'s delay" if count == 1 else f"a delay of {count} {unit}s"


def sentences(found: Curve, periods: Periods) -> list[str]:
    """What the curve says, in words: the cost of one period's delay, and the half-life."""
    oldest = max(row["age"] for row in found.rows)
    cost, count = found.at(2, "auc"), len(found.scored_on)
    span = f"{count} period{'s' * (count > 1)}, {found.scored_on[0]} to {found.scored_on[-1]}"
    if math.isnan(cost.mean):
        first = f"what {delay(periods)} costs is not known: no period has an AUC of both ages"
    elif math.isnan(cost.low):
        first = f"{delay(periods)} costs {_short(cost.mean)} AUC here in period {found.scored_on[0]}: a single period "
        first += "decides nothing"
    else:
        ends = f"(95 % {_short(cost.low)} … {_short(cost.high)}; {span})"
        if not cost.distinct:
            first = f"{delay(periods)} costs no AUC here that these periods can tell: {_short(cost.mean)} {ends}"
        elif cost.mean > 0:
            first = f"{delay(periods)} costs {_short(cost.mean)} AUC here {ends}"
        else:
            first = f"{delay(periods)} gains {_short(-cost.mean)} AUC here: the older model is better {ends}"
    names = {"auc": "AUC", "logloss": "LogLoss"}
    halves = [f"{names[metric]}: {half.words(oldest - 1)}" for metric, half in found.half_lives.items()]
    return [first, "; ".join(halves), *found.notes]


def table(found: Curve, periods: Periods) -> Printed:
    """The curve as it is printed."""
    header = ["age", "", "periods", "AUC", "lost", "95 %", "LogLoss", "added", "LogLoss 95 %", "if updated so often"]
    lines = []
    for row in found.rows:
        line = [str(row["age"]), "seen" if row["seen"] else "", str(row["periods"])]
        for metric in ("auc", "logloss"):
            base = row["age"] == (0 if row["seen"] else 1)
            cost, low, high = (_short(row[f"{metric}_{name}"], "+.4f") for name in ("cost", "low", "high"))
            line += [figure(row[metric], ".4f"), "" if base else cost, "" if base or not low else f"{low} … {high}"]
        lines.append([*line, _short(row.get("every_auc"), "+.4f")])
    details = ["LogLoss 95 %", "if updated so often", "periods"]
    return Printed(header, lines, sentences(found, periods), details)


def _short(number: float | None, form: str = ".4f") -> str:
    """A number without the zero before its point."""
    return figure(number, form).replace("0.", ".", 1)
