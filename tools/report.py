"""Write one HTML file that shows runs beside each other: scores, drift, costs, and what generators have learned.

    python tools/report.py runs/all --out report.html

Each folder is a run or holds runs, as for ``compare_runs.py``: those in ``seed-1``, ``seed-2``, … of one folder are one
method. The file has everything in it and asks no network for anything; it can be mailed, and opened on a phone.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from comparison import by_method, compare, notes_of
from messages import one_message, say
from report_charts import Methods, charts
from run_files import section
from run_folder import Run, find_runs
from tables import figure

from asmg_pl.callbacks.configuration import settings_in
from asmg_pl.errors import UserError
from asmg_pl.system.escaping import html as escape
from asmg_pl.system.escaping import terminal

PAGE = Path(__file__).with_name("report_page")
INCREMENTAL = "incremental model"

#: Columns of the table: title, key of a row of :func:`comparison.compare`, format, and what the title means.
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


def with_baseline(methods: Methods, wanted: str | None) -> tuple[Methods, str | None]:
    """The methods and the name of the one to compare with.

    By default it is the first plain incremental update. Where no run is one, the incremental model that a generated one
    was scored beside becomes a method of its own.

    Raises:
        UserError: if the wanted one is not there.
    """
    if wanted is not None and wanted not in methods:
        raise UserError(f"the baseline {wanted!r} is not among the methods: choose one of {', '.join(methods)}")
    plain = [name for name, runs in methods.items() if _class(runs[0]) == "IncrementalUpdate"]
    if wanted or plain:
        return methods, wanted or plain[0]
    for runs in methods.values():
        if "incremental_auc" in runs[0].metrics.columns:
            return {INCREMENTAL: [_incremental(run) for run in runs], **methods}, INCREMENTAL
    return methods, None


def _class(run: Run) -> str:
    return str(section(run.config, "model").get("class_path", "")).rpartition(".")[2]


def _incremental(run: Run) -> Run:
    metrics = run.metrics.drop("^serving_.*$")
    metrics = metrics.rename({name: name.replace("incremental_", "serving_") for name in metrics.columns})
    return replace(run, method=INCREMENTAL, metrics=metrics, timings=run.timings.clear(), peak_mib=None, config={})


def page(methods: Methods, baseline: str | None) -> str:
    """The report as HTML."""
    rows = compare(methods, baseline or "")
    places = [run.place for name, runs in methods.items() if name != INCREMENTAL for run in runs]
    told = {
        "methods": list(methods),
        "baseline": baseline,
        "test": _test_periods(methods),
        "sections": charts(methods, baseline),
    }
    parts = {
        "style": (PAGE / "page.css").read_text(),
        "script": (PAGE / "page.js").read_text(),
        "data": _for_script(_plain(told)),
        "summary": escape(". ".join([_summary(methods, baseline), *notes_of(rows)])),
        "table": _table(rows, list(methods)),
        "settings": _settings(methods),
        "folders": "\n".join(f"<li>{escape(place)}</li>" for place in places),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], (PAGE / "page.html").read_text())


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


def main() -> None:
    """Read the runs and write the file; status 2 with one message if they cannot be shown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="a run folder, or one that holds some")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the file to write")
    parser.add_argument("--baseline", help="the method to compare with; by default the plain incremental update")
    options = parser.parse_args()
    with one_message():
        methods, baseline = with_baseline(by_method(find_runs(options.folders)), options.baseline)
        written = page(methods, baseline)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(written, encoding="utf-8")
    say(f"wrote {options.out}")


if __name__ == "__main__":
    main()
