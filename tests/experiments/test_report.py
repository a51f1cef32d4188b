"""The report in a real browser: what it shows, that it asks for nothing, and that it fits a phone."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from experiments.browser import Browser
from experiments.conftest import called
from experiments.runs import write_run

HOSTILE = "</script><img src=x onerror=alert(1)>{{data}}&\"'"
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium; where a test run must not go without it, ``ASMG_BROWSER`` says so by being set."""
    program = os.environ.get("ASMG_BROWSER") or shutil.which("chromium")
    if program is None:
        pytest.skip("a browser: install chromium, or set the environment variable ASMG_BROWSER to its program")
    started = Browser(program, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


def write(folder: Path, *arguments: str) -> Path:
    """Write the report of the runs in a folder, as the command does."""
    out = folder / "report.html"
    done = called(["report", str(folder), "--out", str(out), *arguments])
    assert done.code == 0, done.err
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four methods, two seeds each, one of them with a hostile name."""
    folder = tmp_path_factory.mktemp("runs")
    gru, linear = "asmg_pl.generators.GRUGenerator", "asmg_pl.generators.LinearGenerator"
    for seed in (1, 2):
        write_run(folder / "iu" / f"seed-{seed}", seed=seed)
        write_run(folder / "gru" / f"seed-{seed}", "ASMG", 0.01, seed=seed, openness=True, generator=gru)
        write_run(folder / "linear" / f"seed-{seed}", "ASMG", 0.002, seed=seed, share=True, generator=linear)
        write_run(folder / HOSTILE.replace("/", "∕") / f"seed-{seed}", "EWC", -0.01, seed=seed, strength=HOSTILE)
    write(folder)
    return folder


@pytest.fixture
def opened(browser: Browser, runs: Path) -> Browser:
    """The browser with the report, as wide as a laptop."""
    browser.problems.clear()
    browser.requests.clear()
    browser.look(1366)
    browser.open(runs / "report.html")
    return browser


def test_it_renders_without_an_error_and_asks_for_nothing_but_itself(opened: Browser, runs: Path) -> None:
    assert opened.problems == []
    assert opened.requests == [(runs / "report.html").as_uri()]
    titles = opened.value("[...document.querySelectorAll('figcaption b')].map((b) => b.textContent)")
    tables = ["user", "item", "context device <b>", "dense"]
    assert titles == [
        *("AUC", "LogLoss", "Lift over iu", "Label rate", "New users and items", "Rows", "Training time", "Memory"),
        *(f"Distance from the base model: {table}" for table in tables),
        *(f"Update-gate openness: {table}" for table in tables),
        *(f"Shares of linear: {table}" for table in tables),
    ]
    empty = "[...document.querySelectorAll('figure')].filter((f) => !f.querySelector('path.curve[d^=M]')).length"
    assert opened.value(empty) == 0


def test_the_tables_numbers_are_those_of_the_run_folders(opened: Browser, runs: Path) -> None:
    cells = opened.value(
        "[...document.querySelectorAll('#means tbody tr')].map((r) => [...r.cells].map((c) => c.dataset.value))"
    )
    heads = opened.value("[...document.querySelectorAll('#means thead th')].map((th) => th.textContent)")
    found = {row[0]: dict(zip(heads, row, strict=True)) for row in cells}
    assert found.keys() == {"iu", "gru", "linear", HOSTILE.replace("/", "∕")}
    tested = {
        name: pl.concat(pl.read_csv(runs / name / f"seed-{s}" / "metrics.csv").filter(split="test") for s in (1, 2))
        for name in found
    }
    for name, row in found.items():
        for title, column in [("AUC", "serving_auc"), ("LogLoss", "serving_logloss")]:
            assert float(row[title]) == pytest.approx(tested[name][column].mean(), rel=1e-12)
        lift = (tested[name]["serving_auc"] - tested["iu"]["serving_auc"]).mean()
        assert float(row["lift"]) == pytest.approx(lift, abs=1e-12)
        assert float(row["steps"]) == (24 if name in ("gru", "linear") else 12)
    shown = opened.value("[...document.querySelectorAll('#means tbody td:nth-child(2)')].map((td) => td.textContent)")
    assert shown == sorted(shown, reverse=True)
    assert shown == [f"{float(row[1]):.4f}" for row in cells]


def test_a_line_goes_through_the_scores_of_its_run(opened: Browser, runs: Path) -> None:
    """Read back from the pixels of the drawing: the heights of the points, in units of two of them."""
    points = "[...document.querySelector('figure svg g').querySelectorAll('circle')]"
    heights = opened.value(f"{points}.map((c) => Number(c.getAttribute('cy')))")
    order = opened.value("JSON.parse(document.getElementById('data').textContent).methods")
    tables = [pl.read_csv(runs / order[0] / f"seed-{seed}" / "metrics.csv")["serving_auc"] for seed in (1, 2)]
    means = [(a + b) / 2 for a, b in zip(*tables, strict=True)]
    assert len(heights) == len(means) == 21
    low, high = means.index(min(means)), means.index(max(means))
    for height, value in zip(heights, means, strict=True):
        drawn = (height - heights[low]) / (heights[high] - heights[low])
        assert drawn == pytest.approx((value - means[low]) / (means[high] - means[low]), abs=1e-3)


def test_a_click_on_a_heading_sorts_and_another_turns_the_order_round(opened: Browser) -> None:
    column = "[...document.querySelectorAll('#means tbody tr')].map((r) => Number(r.cells[3].dataset.value))"
    head = "document.querySelectorAll('#means thead th')[3]"
    assert opened.value(f"{head}.textContent") == "LogLoss"
    opened.value(f"{head}.querySelector('button').click()")
    falling = opened.value(column)
    assert falling == sorted(falling, reverse=True)
    assert opened.value(f"{head}.getAttribute('aria-sort')") == "descending"
    opened.value(f"{head}.querySelector('button').click()")
    assert opened.value(column) == falling[::-1]
    opened.value("document.querySelector('#means thead button').click()")
    names = opened.value("[...document.querySelectorAll('#means tbody th')].map((th) => th.dataset.value)")
    assert names[-3:] == ["gru", "iu", "linear"]


def test_a_method_is_hidden_and_shown_again_in_all_charts(opened: Browser) -> None:
    curves = "document.querySelector('figure').querySelectorAll('path.curve').length"
    button = "[...document.querySelectorAll('#legend button')].find((b) => b.textContent === 'gru')"
    assert opened.value(curves) == 4
    opened.value(f"{button}.click()")
    assert opened.value(curves) == 3
    assert opened.value(f"{button}.getAttribute('aria-pressed')") == "false"
    opened.value(f"{button}.click()")
    assert opened.value(curves) == 4


def test_the_pointer_shows_the_values_of_a_period(opened: Browser, runs: Path) -> None:
    box = opened.value("JSON.parse(JSON.stringify(document.querySelector('figure svg').getBoundingClientRect()))")
    opened.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["right"] - 9, y=box["top"] + 50)
    opened.wait("document.querySelector('.tip') !== null")
    rows = opened.value("[...document.querySelectorAll('.tip div')].map((d) => d.textContent)")
    assert rows[0] == "period 31"
    tables = [pl.read_csv(runs / "gru" / f"seed-{seed}" / "metrics.csv")["serving_auc"][-1] for seed in (1, 2)]
    assert f"gru{sum(tables) / 2:.4f}" in rows
    assert len(rows) == 5


def test_the_verdict_and_the_origin_of_the_runs_stand_at_the_top(opened: Browser) -> None:
    said = opened.value("document.getElementById('verdict').textContent")
    assert said.startswith("gru has the best mean AUC on the test periods 25 to 31, 0.")
    assert "above iu; the 95 % interval of the difference" in said
    names, facts = (
        opened.value(f"[...document.querySelectorAll('.origin {kind}')].map((d) => d.textContent)")
        for kind in ("dt", "dd")
    )
    assert dict(zip(names, facts, strict=True)) == {
        "stream": "clicks (Stream), 93,000 rows, 31 periods, 800 users, 500 items, fingerprint fedcba987654",
        "context features": "device <b>",
        "walked": "2024-05-06",
        "program": "asmg_pl 0.2.0, commit 012345678901 with changes",
    }
    places = "['#verdict', '.origin', '#means'].map((s) => document.querySelector(s).getBoundingClientRect().top)"
    tops = opened.value(places)
    assert tops == sorted(tops)
    assert tops[1] < 400


def test_charts_are_flat_and_several_stand_in_a_row(opened: Browser) -> None:
    boxes = opened.value("[...document.querySelectorAll('figure svg')].map((s) => [s.clientWidth, s.clientHeight])")
    assert all(width > 2 * height for width, height in boxes)
    tops = opened.value("[...document.querySelector('.grid').children].map((f) => f.getBoundingClientRect().top)")
    assert len(tops) == 3
    assert len(set(tops)) == 1, "the three charts of the scores stand side by side"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_scrolls_the_page_in_one_direction_only(opened: Browser, width: int) -> None:
    opened.look(width, phone=True)
    opened.settle()
    assert opened.value("document.documentElement.scrollWidth") == width
    ends = "[...document.querySelectorAll('figure')].map((f) => f.getBoundingClientRect().right)"
    assert max(opened.value(ends)) <= width
    sizes = "[...document.querySelectorAll('svg text')].map((t) => t.getBoundingClientRect().height)"
    assert min(opened.value(sizes)) > 11, "text is not scaled down with the drawing"
    names = opened.value("document.querySelector('#means thead th').getBoundingClientRect().width")
    assert 0.25 * min(width, 400) <= names <= 0.5 * width, "neither the names nor the figures are squeezed"


def contrast(browser: Browser, inner: str, outer: str) -> float:
    """The contrast of an element's text with another's background (WCAG 2)."""
    light = []
    for selector, kind in ((inner, "color"), (outer, "backgroundColor")):
        colour = browser.value(f"getComputedStyle(document.querySelector({selector!r})).{kind}")
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark(opened: Browser, scheme: str) -> None:
    opened.look(1366, scheme=scheme)
    for inner, outer in [("h1", "body"), (".note", "body"), ("td", "figure"), ("figcaption small", "figure")]:
        assert contrast(opened, inner, outer) > 4.5
    background = opened.value("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) > 127) is (scheme == "light")


def test_hostile_names_and_settings_stay_text(opened: Browser) -> None:
    assert opened.value("document.querySelectorAll('img').length") == 0
    assert HOSTILE in opened.value("document.querySelector('.settings').innerText")
    assert HOSTILE.replace("/", "∕") in opened.value("document.querySelector('#legend').textContent")


def test_only_settings_that_differ_are_listed(opened: Browser) -> None:
    rows = opened.value("[...document.querySelectorAll('.settings tbody th')].map((th) => th.textContent)")
    assert rows == ["model.class_path", "model.generator", "model.strength"]


def test_without_a_plain_update_the_incremental_model_beside_a_generated_one_stands_in(tmp_path: Path) -> None:
    write_run(tmp_path / "gru", "ASMG", 0.01)
    text = write(tmp_path).read_text()
    assert "1 method, 1 run; means over the test periods 25 to 31; compared with incremental model." in text
    lift = re.search(r'data-value="gru".*?data-value="(\+?[\d.e-]+)">\+', text, re.DOTALL)
    metrics = pl.read_csv(tmp_path / "gru" / "metrics.csv").filter(split="test")
    assert lift is not None
    assert float(lift[1]) == pytest.approx((metrics["serving_auc"] - metrics["incremental_auc"]).mean(), abs=1e-12)


def test_a_run_that_has_come_to_no_test_period_and_scores_that_are_not_defined_can_be_shown(
    tmp_path: Path, browser: Browser
) -> None:
    folder = write_run(tmp_path / "iu")
    table = pl.read_csv(folder / "metrics.csv").head(9)
    auc = pl.when(pl.col("period") == 13).then(float("nan")).otherwise("serving_auc")
    table.with_columns(serving_auc=auc).write_csv(folder / "metrics.csv")
    browser.problems.clear()
    browser.open(write(tmp_path))
    assert browser.problems == []
    assert "no test period has been scored yet" in browser.value("document.body.innerText")
    curve = browser.value("document.querySelector('figure path.curve').getAttribute('d')")
    assert curve.count("M") == 2, "the line is interrupted"


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "there is no run in"), (("--baseline", "none"), "'none' is not among the methods")]
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    if arguments:
        write_run(tmp_path / "iu")
    done = called(["report", str(tmp_path), "--out", str(tmp_path / "report.html"), *arguments])
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert not (tmp_path / "report.html").exists()
