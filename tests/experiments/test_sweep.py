"""The sweep of a grid without a server, and the shipped sweep file."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from sweep import settings
from tools.conftest import Tool, table
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from asmg_pl.cli.main import main
from asmg_pl.errors import ConfigError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "configs" / "sweeps" / "asmg.yaml"
GRID = """
method: grid
parameters:
  loop.until: {value: 7}
  model.init_args.passes: {values: [1, 2]}
  data.batch_size: {values: [200, 50]}
"""


def test_a_grid_has_every_combination_of_values(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    found = [dict(setting) for setting in settings(tmp_path / "grid.yaml")]
    assert [(s["model.init_args.passes"], s["data.batch_size"]) for s in found] == [
        ("1", "200"),
        ("1", "50"),
        ("2", "200"),
        ("2", "50"),
    ]
    assert {s["loop.until"] for s in found} == {"7"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("method: bayes", "method must be grid, not bayes"),
        ("", "method must be grid, not None"),
        ("method: grid", "has no parameters"),
        ("method: grid\nparameters: {data.batch_size: {min: 1, max: 9}}", "data.batch_size has neither values nor a"),
    ],
)
def test_what_is_no_grid_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        settings(tmp_path / "grid.yaml")


def test_each_setting_is_walked_once_and_the_best_comes_first(folder: Path, tool: Tool) -> None:
    (folder / "grid.yaml").write_text(GRID.replace("  model.init_args.passes: {values: [1, 2]}\n", ""))
    given = ["--grid", "grid.yaml", "--methods", "iu.yaml", "--seeds", "3"]
    done = tool("sweep", *given)
    assert done.code == 0, done.err
    rows = table(done)
    assert {row["batch_size"] for row in rows} == {"200", "50"}
    assert rows[0]["AUC"] >= rows[1]["AUC"]
    walks = {row["batch_size"]: folder / "runs" / "iu" / f"batch_size={row['batch_size']}" / "seed-3" for row in rows}
    for row in rows:
        metrics = pl.read_csv(walks[row["batch_size"]] / "metrics.csv")
        assert metrics["period"].to_list() == [5, 6, 7]
        assert row["AUC"] == f"{metrics.filter(split='warm-up')['serving_auc'].to_numpy().mean():.4f}"
    assert pl.read_csv(folder / "runs" / "sweep.csv")["data.batch_size"].to_list() == [
        int(r["batch_size"]) for r in rows
    ]

    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")}
    assert tool("sweep", *given).out == done.out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")} == written


# ---- the shipped file


def accepted(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """What ``asmg fit`` makes of some arguments."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["asmg", *arguments, "--print_config"])
    with pytest.raises(SystemExit) as stop:
        main()
    shown = capsys.readouterr()
    assert stop.value.code == 0, shown.err
    return yaml.safe_load(shown.out)


def at(config: dict[str, Any], option: str) -> Any:
    for part in option.split("."):
        config = config[part]
    return config


def test_an_agents_command_is_accepted_with_every_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an agent would run it: the client's own expansion, and a shell that hands over what it would start."""
    sweep = yaml.safe_load(SHIPPED.read_text())
    parameters = {option: told.get("values", [told.get("value")]) for option, told in sweep["parameters"].items()}
    (tmp_path / "asmg").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "asmg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    monkeypatch.setenv("ROOT", "some where")
    for place in range(max(map(len, parameters.values()))):
        chosen = {option: tried[min(place, len(tried) - 1)] for option, tried in parameters.items()}
        filled = create_sweep_command_args({"args": {option: {"value": value} for option, value in chosen.items()}})
        command = [
            part
            for chunk in create_sweep_command(list(sweep["command"]))
            for part in (filled["args"] if chunk == "${args}" else [chunk])
        ]
        arguments = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
        assert arguments[0] == "fit"
        config = accepted(arguments, monkeypatch, capsys)
        assert {option: at(config, option) for option in parameters} == chosen
        assert config["trainer"]["default_root_dir"] == "runs/sweep/abc"
        assert config["data"]["root"] == "some where"
        assert (config["wandb"]["project"], config["wandb"]["mode"]) == ("fresh", "online")


def test_the_first_and_the_last_setting_of_the_shipped_grid_are_accepted_without_an_agent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = shlex.split("fit --config configs/movietweetings.yaml --config configs/methods/gru_multi.yaml")
    grid = settings(SHIPPED)
    for setting in (grid[0], grid[-1]):
        options = [argument for option, value in setting for argument in (f"--{option}", value)]
        config = accepted([*files, *options], monkeypatch, capsys)
        assert all(str(at(config, option)) == str(yaml.safe_load(value)) for option, value in setting)


def test_the_shipped_grid_stops_before_the_first_model_that_is_tested() -> None:
    assert {dict(setting)["loop.until"] for setting in settings(SHIPPED)} == {"23"}
