"""The study from beginning to end on a small stream: its files, and that an interruption changes none of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from asmg_pl.cli.commands import reproduce_ader
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.experiments import next_item
from asmg_pl.experiments.next_item import FULL, SMALL, Settings, study, training, walking
from asmg_pl.experiments.next_item.methods import METHODS
from asmg_pl.experiments.next_item.table import published

Command = Callable[..., Any]

SETTINGS = replace(SMALL, clicks=(300, 250, 250), width=8, places=6, exemplars=60, batch_size=32, learning_rate=0.02)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 clicks of sessions that walk upward along a circle of 40 items, of which the last ten appear late."""
    random, rows = np.random.default_rng(5), []
    for session in range(160):
        item = int(random.integers(30))
        for click in range(5):
            rows.append((session, item, 1_400_000_000 + 5 * session + click))
            item = (item + int(random.integers(1, 3))) % (30 if session < 50 else 40)
    folder = tmp_path_factory.mktemp("data") / "diginetica"
    folder.mkdir()
    pl.DataFrame(rows, schema=["session", "item", "time"], orient="row").write_csv(folder / "clicks.csv")
    return folder


def walk(folder: Path, root: Path, settings: Settings = SETTINGS, methods: tuple[str, ...] = ("ader", "joint")) -> None:
    study(folder, root, methods, settings, "cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A study that nothing interrupted, of all methods."""
    folder = tmp_path_factory.mktemp("study") / "whole"
    walk(folder, root, methods=tuple(METHODS))
    return folder


def test_each_method_stands_beside_its_published_figures(whole: Path) -> None:
    rows, periods = pl.read_csv(whole / "ader.csv"), pl.read_csv(whole / "ader-periods.csv")
    assert rows["method"].to_list() == [*METHODS]
    for row in rows.iter_rows(named=True):
        own = periods.filter(method=row["method"])
        assert own["period"].to_list() == [1, 2]
        for metric in ("recall_10", "recall_20", "mrr_10", "mrr_20"):
            assert row[metric] == pytest.approx(100 * own[metric].to_numpy().mean())
            assert row[f"published_{metric}"] == published().get(row["method"], {}).get(metric)
    assert "They are not comparable with the published ones" in (whole / "ader.md").read_text()
    assert (whole / "ader.png").read_bytes().startswith(b"\x89PNG")


def test_a_method_learns_what_follows_what(whole: Path) -> None:
    rows = pl.read_csv(whole / "ader-periods.csv")
    assert rows.filter(period=2)["recall_20"].min() > 0.7, "half of the items at random"  # type: ignore[operator]


def test_methods_that_differ_only_by_exemplars_agree_until_there_are_some(whole: Path) -> None:
    first = pl.read_csv(whole / "ader-periods.csv").filter(period=1)
    ader, dropout = (first.filter(method=name).drop("method").rows() for name in ("ader", "dropout"))
    assert ader == dropout


def test_ewc_is_finetune_until_a_week_lies_before_it_and_goes_on_the_same_after_an_interruption(
    tmp_path: Path, root: Path, whole: Path
) -> None:
    rows = pl.read_csv(whole / "ader-periods.csv")
    first, second = (
        [rows.filter(period=period, method=name).drop("method").rows() for name in ("ewc", "finetune")]
        for period in (1, 2)
    )
    assert first[0] == first[1]
    assert second[0] != second[1]
    shutil.copytree(whole / "ewc" / "period-01", tmp_path / "ewc" / "period-01")
    walk(tmp_path, root, methods=("ewc",))
    again, before = (folder / "ewc" / "period-02" / "figures.json" for folder in (tmp_path, whole))
    assert again.read_bytes() == before.read_bytes()


@pytest.mark.parametrize("name", ["asmg", "row"])
def test_a_generator_reads_the_models_of_finetune_and_goes_on_the_same_after_an_interruption(
    tmp_path: Path, root: Path, whole: Path, name: str
) -> None:
    states = [torch.load(whole / each / "period-02" / "state.pt", weights_only=True) for each in (name, "finetune")]
    assert all(torch.equal(states[0]["model"][key], states[1]["model"][key]) for key in states[1]["model"])
    rows = pl.read_csv(whole / "ader-periods.csv")
    for period, alike in ((1, True), (2, False)):  # it is trained when the second week comes
        ours, theirs = (rows.filter(period=period, method=each).drop("method").rows() for each in (name, "finetune"))
        assert (ours == theirs) == alike
    shutil.copytree(whole / name / "period-01", tmp_path / name / "period-01")
    walk(tmp_path, root, methods=(name,))
    again, before = (folder / name / "period-02" / "figures.json" for folder in (tmp_path, whole))
    assert again.read_bytes() == before.read_bytes()


@pytest.mark.parametrize("interrupted", [1, 2, 3, 4])
def test_an_interruption_within_a_period_changes_nothing(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, interrupted: int
) -> None:
    walk(tmp_path / "whole", root)
    real, calls = training.train, []

    def train(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) == interrupted:
            real(*arguments)
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(walking, "train", train)
    with pytest.raises(KeyboardInterrupt):
        walk(tmp_path / "resumed", root)
    walk(tmp_path / "resumed", root)
    assert len(calls) == 5, "no finished period is walked again"
    for name in ("ader.csv", "ader-periods.csv"):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_folder_of_other_settings_is_refused(whole: Path, root: Path) -> None:
    with pytest.raises(ConfigError, match=r"has a study with another width, seed: give another folder"):
        walk(whole, root, replace(SETTINGS, width=4, seed=1))


def test_a_damaged_period_is_named(tmp_path: Path, root: Path) -> None:
    walk(tmp_path, root, methods=("finetune",))
    (tmp_path / "finetune" / "period-01" / "state.pt").write_bytes(b"not a file of torch")
    for file in (tmp_path / "finetune" / "period-02").iterdir():
        file.unlink()
    (tmp_path / "finetune" / "period-02").rmdir()
    with pytest.raises(CheckpointError, match=r"state\.pt cannot be read: remove the folder .*period-01"):
        walk(tmp_path, root, methods=("finetune",))


def test_a_later_week_changes_no_figure_of_an_earlier_one(tmp_path: Path, root: Path) -> None:
    walk(tmp_path / "two", root, replace(SETTINGS, clicks=(300, 250)), methods=("ader",))
    walk(tmp_path / "three", root, methods=("ader",))
    figures = [(tmp_path / name / "ader" / "period-01" / "figures.json").read_bytes() for name in ("two", "three")]
    assert figures[0] == figures[1]
    models = [
        torch.load(tmp_path / name / "ader" / "period-01" / "state.pt", weights_only=True) for name in ("two", "three")
    ]
    assert all(torch.equal(models[0]["model"][key], models[1]["model"][key]) for key in models[0]["model"])


# ---- the command


def test_the_command_walks_and_goes_on(
    tmp_path: Path, root: Path, asmg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_item, "SMALL", replace(SETTINGS, epochs=1))
    given = ["reproduce", "ader", tmp_path / "runs", "--small", "--methods", "finetune", "--data", root.parent]
    done = asmg(*given, "--device", "cpu")
    assert done.code == 0, done.err
    assert any(line.split()[0] == "Finetune" for line in done.out.splitlines() if line)
    assert max(map(len, done.out.splitlines())) <= 80
    assert "finetune · period 2 of 2" in done.err
    again = asmg(*given, "--device", "cpu")
    assert again.out == done.out
    assert "period 2 of 2" not in again.err


def test_the_command_names_all_methods_and_no_other(tmp_path: Path, asmg: Command) -> None:
    assert tuple(METHODS) == reproduce_ader.METHODS
    assert tuple(published()) == reproduce_ader.PUBLISHED
    done = asmg("reproduce", "ader", tmp_path, "--methods", "aders")
    assert done.code == 2
    assert "did you mean ader?" in done.err


def test_the_published_setting_is_the_default() -> None:
    assert (FULL.width, FULL.dropout, FULL.learning_rate, FULL.patience) == (150, 0.3, 5e-4, 5)
    assert (sum(FULL.clicks), FULL.periods) == (993_483, 16)
