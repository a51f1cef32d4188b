"""A walk through the command line: what it shows, what it leaves, and that it can be repeated."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import termios
from datetime import datetime
from pathlib import Path

import matplotlib.image
import polars as pl
import pytest
from end_to_end.program import PERIODS, WALKED, Asmg, Finished, environment, metrics

from asmg_pl import __version__
from asmg_pl.metrics.verdict import BETTER, EVEN, WORSE

METRICS = [
    *("auc", "logloss", "gauc", "calibration", "normalized_entropy"),
    *("auc_known_users", "auc_new_users", "logloss_known_users", "logloss_new_users"),
    *("auc_known_items", "auc_new_items", "logloss_known_items", "logloss_new_items"),
]
SCORES = ["incremental_auc", "incremental_logloss", "serving_auc", "serving_logloss"]

Walk = tuple[Path, Finished]


@pytest.fixture(scope="module")
def on_terminal(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The beginning of the same walk, called by the program's name, with a terminal to show its progress on."""
    folder = tmp_path_factory.mktemp("runs") / "short"
    called = [str(Path(sys.executable).parent / "asmg"), "fit", "--config", str(walk[0] / "config.yaml")]
    called += ["--trainer.default_root_dir", str(folder), "--loop.until", "6"]
    screen, terminal = os.openpty()
    termios.tcsetwinsize(screen, (24, 120))
    with subprocess.Popen(called, stdout=subprocess.PIPE, stderr=terminal, text=True, env=environment()) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # what Linux raises when the other end has been closed
            while part := os.read(screen, 4096):
                shown += part
        os.close(screen)
        assert process.stdout is not None
        out = process.stdout.read()
    return folder, Finished(process.returncode, out, shown.decode())


def test_a_run_folder_has_configuration_scores_timings_plot_and_checkpoints(walk: Walk) -> None:
    folder, finished = walk
    assert finished.code == 0, finished.err
    assert {path.name for path in folder.iterdir()} == {
        *(
            "config.yaml",
            "metrics.csv",
            "timings.csv",
            "learned.csv",
            "auc.png",
            "checkpoints",
            "walk.json",
            "provenance.json",
            ".run.lock",
        ),
    }
    picture = matplotlib.image.imread(folder / "auc.png", format="png")
    assert min(picture.shape[:2]) > 300
    assert picture.std() > 0
    assert len(list((folder / "checkpoints").glob("*.ckpt"))) == len(WALKED) + 1


def test_a_run_folder_says_when_by_what_and_along_which_stream_it_was_walked(walk: tuple[Path, Finished]) -> None:
    told = json.loads((walk[0] / "provenance.json").read_text())
    assert datetime.fromisoformat(told["walked"]).tzinfo is not None
    assert told["code"]["version"] == __version__
    assert (told["stream"]["rows"], told["stream"]["periods"], told["stream"]["context"]) == (2600, 13, [])
    assert re.fullmatch("[0-9a-f]{64}", told["stream"]["fingerprint"])


def test_there_is_a_row_for_each_period_after_pretraining(walk: Walk) -> None:
    table = pl.read_csv(walk[0] / "metrics.csv")
    counts = ["period", "split", "rows", "positives", "new_user_rows", "new_item_rows", "diverged"]
    assert table.columns == counts + [f"{model}_{metric}" for model in ("incremental", "serving") for metric in METRICS]
    assert table["period"].to_list() == list(WALKED)
    assert table["split"].to_list() == ["selection"] + ["warm-up"] * 4 + ["test"] * 4
    assert (table["rows"] == 200).all()
    assert table["positives"].is_between(1, 199).all()
    assert set(table.columns[7:]) == set(table.select(pl.col(pl.Float64)).columns)
    assert table.select(pl.all_horizontal(pl.col("^.*_auc$").is_between(0, 1)).all()).item()
    assert table.select(pl.all_horizontal(pl.col("^.*auc.*$").fill_nan(0.5).is_between(0, 1)).all()).item()
    # The generated model serves from the first period after its first training on.
    differs = table["incremental_auc"] != table["serving_auc"]
    assert differs.to_list() == [False] * 3 + [True] * 6


def test_scores_agree_with_the_counts_beside_them(walk: Walk) -> None:
    for row in pl.read_csv(walk[0] / "metrics.csv").iter_rows(named=True):
        share = row["positives"] / row["rows"]
        entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
        for model in ("incremental", "serving"):
            assert row[f"{model}_normalized_entropy"] == pytest.approx(row[f"{model}_logloss"] / entropy, rel=1e-12)
            assert 0.1 < row[f"{model}_calibration"] * share < 0.9, "the mean probability"


def test_the_screen_shows_a_row_per_period_and_the_mean_over_the_test_periods(walk: Walk) -> None:
    cut, memory, kernel, *lines = walk[1].out.splitlines()
    table = pl.read_csv(walk[0] / "metrics.csv")
    assert cut == "13 periods of 200 rows"
    assert memory.startswith("memory: recommender ")
    assert " + history " in memory
    assert kernel.startswith("generator: computed by ")
    assert lines[0].startswith("pre-trained on periods 1 to 4 in ")
    assert lines[1].split() == ["incremental", "serving"]
    names = [name.split("_")[1] for name in SCORES]
    assert lines[2].split() == ["period", "split", "rows", *names, "lift", "seconds"]
    rows = lines[3 : 3 + len(WALKED)]
    for line, row in zip(rows, table.iter_rows(named=True), strict=True):
        shown = [str(row["period"]), row["split"], str(row["rows"]), *(f"{row[name]:.4f}" for name in SCORES)]
        assert line.split()[:-2] == shown
        assert line.split()[-2] == f"{row['serving_auc'] - row['incremental_auc']:+.4f}"
        assert float(line.split()[-1]) >= 0
        assert len(line) <= 80
    means = table.filter(pl.col("split") == "test").select(pl.col(SCORES).mean()).row(0, named=True)
    expected = ", ".join(f"{name.replace('_', ' ')} {means[name]:.4f}" for name in SCORES)
    lift = means["serving_auc"] - means["incremental_auc"]
    shown = ["mean", "test", *(f"{means[name]:.4f}" for name in SCORES), f"{lift:+.4f}"]
    assert lines[3 + len(WALKED)].split() == shown
    assert lines[-2] == f"mean over the test periods 10 to 13: {expected}"
    said = re.fullmatch(
        r"lift over the plain update, periods 10 to 13: (\S+) AUC \(95 % (\S+) … (\S+)\): (.+)", lines[-1]
    )
    assert said is not None
    assert said[1] == f"{lift:+.4f}"
    assert float(said[2]) <= float(said[1]) <= float(said[3])
    assert said[4] in (BETTER, WORSE, EVEN.format("these 4 periods"))


def test_the_end_says_what_to_do_next_with_the_commands(walk: Walk) -> None:
    lines = walk[1].out.splitlines()
    start = lines.index("what next:")
    commands = dict(line.strip().split(":", 1) for line in lines[start + 1 : -1])
    assert "asmg_pl convert clicks.csv --out streams/clicks" in commands["walk your own data"]
    assert "go on walking" not in commands, "the walk is through"


def test_the_output_has_no_colours_in_a_pipe_and_says_first_that_libraries_are_loaded(walk: Walk) -> None:
    assert "\x1b" not in walk[1].out + walk[1].err
    assert walk[1].err.splitlines()[0] == "asmg fit: loading ..."


def test_without_a_terminal_there_is_hardly_more_than_the_rows(walk: Walk) -> None:
    assert f"period 4/{PERIODS}" in walk[1].err
    assert "Traceback" not in walk[1].err
    assert "Warning" not in walk[1].err


def test_on_a_terminal_the_progress_bar_names_period_and_phase(on_terminal: Walk) -> None:
    screen = on_terminal[1].err
    for place in ("period 4/6 · select 2:", "period 5/6 · update:", "period 6/6 · update:"):
        assert place in screen
    assert "period 5/6 · select" not in screen
    lines = on_terminal[1].out.splitlines()
    assert lines[4].split() == ["incremental", "serving"]
    assert lines[5].split()[:3] == ["period", "split", "rows"]
    assert any("go on walking:" in line and "--ckpt_path last" in line for line in lines)


def test_timings_name_each_phase(walk: Walk) -> None:
    table = pl.read_csv(walk[0] / "timings.csv")
    of_last = table.filter(pl.col("period") == PERIODS)
    assert of_last["phase"].to_list() == ["score", "generate", "update"]
    assert of_last["mini_batches"].to_list() == [1, 4, 4]
    assert of_last["steps"].to_list() == [0, 4, 4]
    assert (table["seconds"] >= 0).all()


def test_learned_quantities_have_a_row_per_period_in_which_the_generator_serves(walk: Walk) -> None:
    table = pl.read_csv(walk[0] / "learned.csv")
    assert table.columns == ["period", "parameters", "quantity", "value"]
    assert table["period"].unique().sort().to_list() == [7, 8, 9, 10, 11, 12, 13]
    assert set(table["parameters"]) == {"user", "item", "category", "dense"}
    assert (table.filter(quantity="moved")["value"] > 0).all()
    assert table.filter(quantity="openness")["value"].is_between(0.01, 0.99).all()
    assert table.height == 7 * 4 * 2


def test_the_saved_configuration_repeats_the_walk_byte_for_byte(walk: Walk, asmg: Asmg, tmp_path: Path) -> None:
    again = asmg("fit", "--config", walk[0] / "config.yaml", "--trainer.default_root_dir", tmp_path)
    assert again.code == 0
    assert metrics(tmp_path) == metrics(walk[0])


def test_another_seed_gives_other_scores(walk: Walk, fit: Asmg, tmp_path: Path) -> None:
    fit(tmp_path, "--loop.until", 6, "--seed_everything", 7)
    assert not metrics(walk[0]).startswith(metrics(tmp_path))
    fit(tmp_path, "--loop.until", 6, "--checkpoint.overwrite", "true")
    assert metrics(walk[0]).startswith(metrics(tmp_path))


def test_the_incremental_model_of_asmg_is_that_of_plain_incremental_update(
    walk: Walk, fit: Asmg, tmp_path: Path
) -> None:
    shipped = Path(__file__).parents[2] / "configs" / "methods" / "iu.yaml"
    assert fit(tmp_path, "--config", shipped, *PRETRAINING).code == 0
    plain, asmg = pl.read_csv(tmp_path / "metrics.csv"), pl.read_csv(walk[0] / "metrics.csv")
    assert plain.columns[7:] == [f"serving_{name}" for name in METRICS]
    for name in METRICS:
        assert plain[f"serving_{name}"].equals(asmg[f"incremental_{name}"])


PRETRAINING = [
    *("--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 2),
    *("--model.init_args.test_from", 10),
]


def test_a_walk_may_stop_at_a_period_and_go_on_later(walk: Walk, fit: Asmg, tmp_path: Path) -> None:
    assert fit(tmp_path, "--loop.until", 8).code == 0
    assert len(pl.read_csv(tmp_path / "metrics.csv")) == 4
    assert fit(tmp_path, "--ckpt_path", "last").code == 0
    assert metrics(tmp_path) == metrics(walk[0])


def test_an_earlier_walk_is_not_overwritten(fit: Asmg, tmp_path: Path) -> None:
    fit(tmp_path, "--loop.until", 5)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    refused = fit(tmp_path, "--data.batch_size", 32)
    assert refused.code == 2
    for way in ("--ckpt_path last", "--trainer.default_root_dir", "--checkpoint.overwrite true"):
        assert way in refused.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_program_walks_the_same_by_its_name_and_as_a_module(walk: Walk, on_terminal: Walk) -> None:
    """The shared walk was called as a module."""
    folder, finished = on_terminal
    assert finished.code == 0, finished.err
    assert len(metrics(folder).splitlines()) == 3
    assert metrics(walk[0]).startswith(metrics(folder))
