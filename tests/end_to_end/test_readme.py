"""What the README and the documentation show can be used as it stands."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from draw_streams import chart, read, table
from end_to_end.program import Asmg

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = {path.name: path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}


def test_the_updater_shown_is_complete(fit: Asmg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, *_ = re.findall(r"```python\n(.*?)```", DOCUMENTS["updater.md"], flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 1)
    finished = fit(tmp_path / "run", "--model", "mine.Rehearse", *options, "--loop.until", 7)
    assert finished.code == 0, finished.err
    phases = pl.read_csv(tmp_path / "run" / "timings.csv").filter(period=7)["phase"].to_list()
    assert phases == ["score", "update", "rehearse"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_exists(name: str) -> None:
    for path in re.findall(r"(?:configs|tools|docs|tests)/[\w/-]+\.\w+", DOCUMENTS[name]):
        assert (ROOT / path).is_file(), path


def test_the_methods_listed_are_those_that_there_are() -> None:
    listed = re.findall(r"`(\w+)`", DOCUMENTS["comparing.md"].split("`configs/methods/`")[1].split("With one seed")[0])
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "configs" / "methods").glob("*.yaml"))


def test_the_readme_is_short_and_looks_the_same_wherever_it_is_shown() -> None:
    assert len(README.splitlines()) <= 150
    targets = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)\"", README)
    assert [target for pair in targets for target in pair if target and not target.startswith("https://")] == []


@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("asmg_pl.walk")
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(code.splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code.replace("rows=93_000", "users=20, items=20, rows=620"), names)
    assert names["walk"].frame()["split"].to_list() == ["selection"] + ["warm-up"] * 13 + ["test"] * 7
    assert (tmp_path / "runs" / "first" / "metrics.csv").is_file()
    assert (tmp_path / "auc.png").is_file()


def test_the_readme_names_every_page_of_the_documentation() -> None:
    named = set(re.findall(r"docs/([\w-]+\.md)", README))
    assert DOCUMENTS.keys() - {"README.md"} - named <= {"api.md", "run-folder.md", "stream-format.md"}


def test_the_last_lines_of_the_demo_are_the_same_on_all_pages() -> None:
    means, lifts = (
        {line for text in DOCUMENTS.values() for line in re.findall(rf"^{begin}.*$", text, re.M)}
        for begin in ("mean over the test periods", "lift over the plain update")
    )
    assert (len(means), len(lifts)) == (1, 1)
    scores = dict(re.findall(r"((?:incremental|serving) \w+) (0\.\d+)", means.pop()))
    (lift,) = re.findall(r"([+-]0\.\d{4}) AUC", lifts.pop())
    assert float(lift) == pytest.approx(float(scores["serving auc"]) - float(scores["incremental auc"]), abs=1.01e-4)


@pytest.mark.parametrize("name", ["README.md", "index.md"])
def test_the_table_of_the_streams_is_that_of_the_comparisons(name: str) -> None:
    (ours,) = set(re.findall(r"draw_streams\.py docs/results/streams --ours (\w+)", DOCUMENTS["results.md"]))
    streams = [read(file, "iu", ours) for file in sorted((ROOT / "docs" / "results" / "streams").glob("*.csv"))]
    assert table(streams) in DOCUMENTS[name]
    assert chart(streams) in README
    assert all(stream.name in (ROOT / "docs" / "streams.svg").read_text() for stream in streams)


def messages() -> list[str]:
    """The texts of each module of the package, with ``…`` in the place of values."""

    def text(node: ast.AST) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(text(value) for value in node.values)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "…"

    modules = (ast.walk(ast.parse(path.read_text())) for path in (ROOT / "asmg_pl").rglob("*.py"))
    return ["\n".join(text(n) for n in nodes if isinstance(n, ast.JoinedStr | ast.Constant)) for nodes in modules]


def test_each_message_that_troubleshooting_quotes_is_one_of_the_program() -> None:
    said = messages()
    quoted = re.findall(r"^\| `([^`]+)` \|", DOCUMENTS["troubleshooting.md"], re.M)
    assert len(quoted) > 40
    for message in quoted:
        fragments = [fragment for fragment in message.split("…") if fragment]
        assert any(all(fragment in texts for fragment in fragments) for texts in said), message
