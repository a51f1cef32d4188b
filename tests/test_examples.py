"""The example scripts of the documentation run to their end in any folder, and say what they promise."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
SAYS = {
    "quick_start": "the same numbers: True",
    "own_data": "the same numbers: True",
    "own_recommender": "serving auc",
    "own_updater": "<Walk of Averaged: periods 4 to 12 scored",
    "serving": "swapped: True after-period-000008 -> after-period-000009",
    "comparing": "asmg",
}
SLOW = {"quick_start", "own_updater", "comparing"}


def test_there_are_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == SAYS.keys()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SAYS])
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out


@pytest.mark.parametrize("name", SAYS)
def test_the_site_shows_it(name: str) -> None:
    assert f'--8<-- "docs/examples/{name}.py"' in (FOLDER.parent / "examples.md").read_text()
