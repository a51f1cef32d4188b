"""The report's page: its verdict, table, charts' data and settings, put into the template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asmg_pl.callbacks.settings import settings_in
from asmg_pl.experiments.baseline import INCREMENTAL, Methods
from asmg_pl.experiments.comparison import compare, notes_of
from asmg_pl.experiments.rendering import figure
from asmg_pl.experiments.report.charts import charts
from asmg_pl.experiments.report.origin import origin
from asmg_pl.experiments.report.verdict import verdict
from asmg_pl.system.escaping import html as escape
from asmg_pl.system.escaping import terminal

TEMPLATE = Path(__file__).with_name("template")

#: Columns of the table: title, key in a row of :func:`~asmg_pl.experiments.comparison.compare`, format, and meaning.
COLUMNS = [
    ("AUC", "auc", ".4f", "mean over the test periods and seeds"),
    ("± seeds", "auc_std", ".4f", "standard deviation of the seeds' mean AUC"),
    ("LogLoss", "logloss", ".4f", "mean over the test periods and seeds"),
    ("lift", "lift", "+.4f", "mean AUC difference from the baseline, same seeds and periods"),
    ("from", "low", "+.4f", "lower end of the lift's 95 % interval"),
    ("to", "high", "+.4f", "upper end of the lift's 95 % interval"),
    ("seconds", "seconds", ".2f", "of training per test period, of the fastest seed"),
    ("steps", "steps", ".0f", "of the optimisers per test period"),
    ("MiB", "peak_mib", ".0f", "largest memory of the walk"),
]


def page(methods: Methods, baseline: str | None) -> str:
    """The report as HTML."""
    rows = compare(methods, baseline)
    walked = [run for name, runs in methods.items() if name != INCREMENTAL for run in runs]
    told = {
        "methods": list(methods),
        "baseline": baseline,
        "test": _test_periods(methods),
        "sections": charts(methods, baseline),
    }
    parts = {
        "style": _template("page.css"),
        "script": _template("page.js"),
        "data": _for_script(_plain(told)),
        "verdict": escape(verdict(methods, rows, baseline)),
        "summary": escape(". ".join([_summary(methods, baseline), *notes_of(rows)])),
        "origin": "\n".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in origin(walked)),
        "table": _table(rows, list(methods)),
        "settings": _settings(methods),
        "folders": "\n".join(f"<li>{escape(run.place)}</li>" for run in walked),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _template("page.html"))


def _template(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")


def _for_script(told: Any) -> str:
    """JSON that ends no ``<script>`` whatever text is in it; without NaN, which JSON has not."""
    text = json.dumps(told, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(told: Any) -> Any:
    """The same with every text on one line, without control characters."""
    if isinstance(told, str):
        return terminal(told)
    if isinstance(told, dict):
        return {name: _plain(value) for name, value in told.items()}
    return [_plain(value) for value in told] if isinstance(told, list) else told


def _test_periods(methods: Methods) -> list[int] | None:
    periods = [p for runs in methods.values() for run in runs for p in run.metrics.filter(split="test")["period"]]
    return [min(periods), max(periods)] if periods else None


def _summary(methods: Methods, baseline: str | None) -> str:
    runs = [run for name, found in methods.items() if name != INCREMENTAL for run in found]
    count = len(methods) - (INCREMENTAL in methods)
    parts = [f"{count} method{'s' * (count > 1)}, {len(runs)} run{'s' * (len(runs) > 1)}"]
    tested = _test_periods(methods)
    if tested:
        parts.append(f"means over the test periods {tested[0]} to {tested[1]}")
    else:
        parts.append("no test period has been scored yet")
    if baseline:
        parts.append(f"compared with {baseline}")
    return "; ".join(parts)


def _table(rows: Sequence[Mapping[str, Any]], order: list[str]) -> str:
    shown = [column for column in COLUMNS if any(figure(row.get(column[1]), column[2]) for row in rows)]
    heads = [("method", "its name in the folders"), *((title, meaning) for title, _, _, meaning in shown)]
    header = "".join(
        f'<th scope="col" title="{escape(meaning)}"><button type="button">{escape(title)}</button></th>'
        for title, meaning in heads
    )
    lines = []
    for row in rows:
        name, colour = escape(row["method"]), order.index(row["method"]) % 10
        why = f' title="{escape(row["note"])}"' if row["note"] else ""
        standing = f' <span class="standing"{why}>{escape(row["standing"])}</span>' if row["standing"] else ""
        cells = f'<th scope="row" data-value="{name}"><i class="swatch s{colour}"></i>{name}{standing}</th>'
        for _, key, form, _ in shown:
            text = figure(row.get(key), form)
            cells += f'<td data-value="{row[key] if text else ""}">{text}</td>'
        lines.append(f"<tr>{cells}</tr>")
    return f"<thead><tr>{header}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody>"


def _settings(methods: Methods) -> str:
    """The settings that are not the same in all methods, as a table."""
    told = {name: settings_in(runs[0].config) for name, runs in methods.items() if runs[0].config}
    keys = sorted({key for settings in told.values() for key in settings})
    missing = object()
    differing = [key for key in keys if len({repr(told[name].get(key, missing)) for name in told}) > 1]
    if not differing:
        return "<p>All runs have the same settings.</p>" if len(told) > 1 else "<p>There is one method.</p>"
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in told)
    lines = []
    for key in differing:
        cells = "".join(f"<td>{escape(str(s[key])) if key in s else ''}</td>" for s in told.values())
        lines.append(f'<tr><th scope="row">{escape(key.replace("init_args.", ""))}</th>{cells}</tr>')
    table = f'<thead><tr><th scope="col">setting</th>{header}</tr></thead><tbody>{"".join(lines)}</tbody>'
    return f'<div class="scroll"><table class="settings">{table}</table></div>'
