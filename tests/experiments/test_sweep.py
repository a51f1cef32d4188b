"""``asmg sweep``: the values of options, given or read from a sweep file, and the shipped sweep file."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from experiments.conftest import COMMON, Command, table
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from asmg_pl.errors import ConfigError
from asmg_pl.experiments.sweep import read_values, settings, varied

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
    found = [dict(setting) for setting in settings(read_values(tmp_path / "grid.yaml"))]
    assert [(s["model.init_args.passes"], s["data.batch_size"]) for s in found] == [
        ("1", "200"),
        ("1", "50"),
        ("2", "200"),
        ("2", "50"),
    ]
    assert {s["loop.until"] for s in found} == {"7"}


def test_options_with_several_values_vary_or_all_if_none_has() -> None:
    assert varied({"a": ["1"], "b": ["1", "2"]}) == ["b"]
    assert varied({"a": ["1"], "b": ["2"]}) == ["a", "b"]


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
        read_values(tmp_path / "grid.yaml")


@pytest.mark.usefixtures("within")
def test_each_setting_is_walked_once_and_the_best_comes_first(folder: Path, asmg: Command) -> None:
    (folder / "grid.yaml").write_text(GRID.replace("  model.init_args.passes: {values: [1, 2]}\n", ""))
    given = ["sweep", "runs", "--grid", "grid.yaml", "--methods", "iu.yaml", "--seeds", "3", "--", *COMMON]
    done = asmg(*given)
    assert done.code == 0, done.err
    rows = table(folder / "runs" / "sweep.md")
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
    assert asmg(*given).out == done.out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")} == written


@pytest.mark.slow
@pytest.mark.usefixtures("within")
def test_each_value_of_an_option_has_a_row_and_the_baseline_one(folder: Path, asmg: Command) -> None:
    vary = ["--vary", "model.init_args.window", "3", "1", "--split", "test"]
    given = ["--methods", "bu2.yaml", "--baseline", "iu.yaml", "--seeds", "3"]
    done = asmg("sweep", "runs", *vary, *given, "--", *COMMON)
    assert done.code == 0, done.err
    rows = {(row["method"], row["window"]): row for row in table(folder / "runs" / "sweep.md")}
    assert rows.keys() == {("bu2", "3"), ("bu2", "1"), ("iu", "")}
    three, one, plain = (rows[key] for key in (("bu2", "3"), ("bu2", "1"), ("iu", "")))
    assert [row["steps"] for row in (three, one, plain)] == ["10", "4", "4"]  # 600 or 200 rows in mini-batches of 64
    assert one["AUC"] == plain["AUC"] != three["AUC"]  # a batch update over one period is the incremental one
    aucs = [float(row["AUC"]) for row in rows.values()]
    assert aucs == sorted(aucs, reverse=True)
    found = pl.read_csv(folder / "runs" / "bu2" / "window=3" / "seed-3" / "metrics.csv").filter(split="test")
    assert three["AUC"] == f"{found['serving_auc'].to_numpy().mean():.4f}"
    written = pl.read_csv(folder / "runs" / "sweep.csv")
    assert written["model.init_args.window"].to_list() == [int(window) if window else None for _, window in rows]
    assert [line.split()[:2] for line in done.out.splitlines()[2:]] == [
        [method, window or row["AUC"]] for (method, window), row in rows.items()
    ]
    assert (folder / "runs" / "sweep.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vary", "data.batch_size"], "data.batch_size names no value"),
        ([], "name the options to vary"),
        (["--grid", "nowhere"], "there is no file nowhere"),
        (["--vary", "a", "1", "--baseline", "nobody"], "--baseline: there is no file nobody"),
    ],
)
def test_a_sweep_without_values_is_one_message(folder: Path, asmg: Command, arguments: list[str], words: str) -> None:
    done = asmg("sweep", "runs", "--methods", "iu.yaml", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


# ---- the shipped file


def accepted(asmg: Command, arguments: list[str]) -> dict[str, Any]:
    """The configuration that ``asmg fit`` makes of some arguments."""
    done = asmg(*arguments, "--print_config")
    assert done.code == 0, done.err
    return dict(yaml.safe_load(done.out))


def at(config: dict[str, Any], option: str) -> Any:
    for part in option.split("."):
        config = config[part]
    return config


def test_an_agents_command_is_accepted_with_every_value(
    tmp_path: Path, asmg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an agent would run it: the client's own expansion, and a shell that hands over what it would start."""
    monkeypatch.chdir(ROOT)
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
        config = accepted(asmg, arguments)
        assert {option: at(config, option) for option in parameters} == chosen
        assert config["trainer"]["default_root_dir"] == "runs/sweep/abc"
        assert config["data"]["root"] == "some where"
        assert (config["wandb"]["project"], config["wandb"]["mode"]) == ("fresh", "online")


def test_the_first_and_the_last_setting_of_the_shipped_grid_are_accepted_without_an_agent(asmg: Command) -> None:
    files = shlex.split("fit --config configs/movietweetings.yaml --config configs/methods/gru_multi.yaml")
    grid = settings(read_values(SHIPPED))
    for setting in (grid[0], grid[-1]):
        options = [argument for option, value in setting for argument in (f"--{option}", value)]
        config = accepted(asmg, [*files, *options])
        assert all(str(at(config, option)) == str(yaml.safe_load(value)) for option, value in setting)


def test_the_shipped_grid_stops_before_the_first_model_that_is_tested() -> None:
    assert {dict(setting)["loop.until"] for setting in settings(read_values(SHIPPED))} == {"23"}
