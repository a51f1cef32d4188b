"""``asmg compare`` of runs that exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import Finished
from experiments.conftest import Command
from experiments.conftest import table as written_table
from experiments.runs import write_run
from experiments.wandb_server import Served, serving

from asmg_pl.experiments.runs import read_run

CONFIG = """seed_everything: {seed}
data: {{batch_size: {batch}, root: somewhere, seed: {seed}}}
model: {{class_path: {updater}, init_args: {{learning_rate: 0.001, pretrained_model: seed-{seed}.ckpt}}}}
"""
Compare = Callable[..., Finished]


def config(seed: int, batch: int, plain: bool = False) -> str:
    updater = "asmg_pl.updaters.IncrementalUpdate" if plain else "A"
    return CONFIG.format(seed=seed, batch=batch, updater=updater)


def write(folder: Path, seed: int, auc: list[float], batch: int = 64, rows: int = 100) -> None:
    """A run scored on the test periods from 25 on; the LogLoss is one less the AUC, or .5 where there is one class.

    Runs of ``iu`` are plain incremental updates.
    """
    folder.mkdir(parents=True)
    losses = [0.5 if math.isnan(a) else 1 - a for a in auc]
    scored = [
        {"period": 25 + n, "split": "test", "rows": rows, "positives": 5, "serving_auc": a, "serving_logloss": loss}
        for n, (a, loss) in enumerate(zip(auc, losses, strict=True))
    ]
    warm = {"period": 24, "split": "warm-up", "rows": rows, "positives": 5, "serving_auc": 0.1, "serving_logloss": 9.0}
    pl.DataFrame([warm, *scored]).write_csv(folder / "metrics.csv")
    spent = [{"period": 25 + n, "phase": "update", "steps": 4, "seconds": 2.0 + seed} for n in range(len(auc))]
    pl.DataFrame(spent).write_csv(folder / "timings.csv")
    (folder / "config.yaml").write_text(config(seed, batch, plain=folder.parent.name == "iu"))
    (folder / "peak_memory_mib.txt").write_text("300\n")


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asmg: Command) -> Compare:
    """Run the command where the run folders are; no printed line is too long."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Finished:
        done = asmg("compare", *arguments)
        assert max(map(len, done.out.splitlines()), default=0) <= 80
        return done

    return run


def table(done: Finished, path: str = "comparison.md") -> list[dict[str, str]]:
    """The table that a call has written, whose methods it has printed in the same order."""
    assert done.code == 0, done.err
    rows = written_table(Path(path))
    _, _, body = done.out.partition("\n---")
    names = [row["method"] for row in rows]
    assert [name for line in body.splitlines() for name in names if line.startswith(f"{name}  ")] == names
    return rows


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three methods, two seeds: ``new`` gains .02 everywhere, ``alike`` now more than that and now less."""
    base = {3: [0.5, 0.6], 4: [0.7, 0.8]}
    gains = {"iu": [0.0, 0.0], "new": [0.02, 0.02], "alike": [0.04, -0.05]}
    for method, gain in gains.items():
        for seed, scores in base.items():
            write(tmp_path / "runs" / method / f"seed-{seed}", seed, [s + g for s, g in zip(scores, gain, strict=True)])
    return tmp_path


def test_the_best_is_marked_and_what_cannot_be_told_from_it(study: Path, compared: Compare) -> None:
    done = compared("runs", "--out", "out/table")
    assert done.code == 0, done.err
    rows = table(done, "out/table.md")
    assert [row["method"] for row in rows] == ["new", "iu", "alike"]
    assert [row["AUC"] for row in rows] == ["0.6700", "0.6500", "0.6450"]
    assert [row["lift over iu"] for row in rows] == ["+0.0200", "+0.0000", "-0.0050"]
    assert [row["95 %"] for row in rows] == ["+0.0200 to +0.0200", "+0.0000 to +0.0000", "-0.0500 to +0.0400"]
    assert [row[""] for row in rows] == ["best", "", "≈"]
    assert {(row["steps"], row["seconds"], row["MiB"], row["cells"]) for row in rows} == {("4", "5.00", "300", "4")}
    assert [line.split()[:4] for line in done.out.splitlines()[2:]] == [
        [row["method"], row["AUC"], row["LogLoss"], row["lift over iu"]] for row in rows
    ]
    assert (study / "out" / "table.tex").read_text().startswith(r"\begin{tabular}")
    assert (study / "out" / "table.png").read_bytes().startswith(b"\x89PNG")
    written = pl.read_csv(study / "out" / "table.csv")
    assert written["lift"].to_list() == pytest.approx([0.02, 0, -0.005])
    assert written["standing"].to_list() == ["best", "", "≈"]


def test_of_a_loss_less_is_better(study: Path, compared: Compare) -> None:
    rows = table(compared("runs/iu", "runs/new", "--metric", "logloss"))
    assert [(row["method"], row["logloss over iu"], row[""]) for row in rows] == [
        ("new", "-0.0200", "best"),
        ("iu", "+0.0000", ""),
    ]


def test_a_run_with_fewer_periods_is_compared_on_those_it_has(study: Path, compared: Compare) -> None:
    write(study / "runs" / "cut" / "seed-3", 3, [0.51])
    write(study / "runs" / "cut" / "seed-4", 4, [0.71, math.nan])
    done = compared("runs")
    (row,) = [row for row in table(done) if row["method"] == "cut"]
    assert (row["AUC"], row["lift over iu"], row["cells"]) == ("0.6100", "+0.0100", "2")
    assert row[""] == "stopped"
    assert "cut: stopped at period 25 (seed 3), others go on to 26" in done.out


def test_a_run_that_has_stopped_early_is_never_the_best(study: Path, compared: Compare) -> None:
    for seed in (3, 4):
        write(study / "runs" / "cut" / f"seed-{seed}", seed, [0.99])
    rows = table(compared("runs"))
    assert [(row["method"], row[""]) for row in rows] == [
        ("new", "best"),
        ("iu", ""),
        ("alike", "≈"),
        ("cut", "stopped"),
    ]


def diverge(folder: Path, period: int, column: bool) -> None:
    """Let the serving model have diverged in a period, as this version writes it, or one without a column for that."""
    metrics = pl.read_csv(folder / "metrics.csv")
    there = pl.col("period") == period
    broken = [pl.when(there).then(math.nan).otherwise(pl.col("serving_logloss")).alias("serving_logloss")]
    if column:
        broken += [
            pl.when(there).then(math.nan).otherwise(pl.col("serving_auc")).alias("serving_auc"),
            pl.when(there).then(pl.lit("serving")).alias("diverged"),
        ]
    else:
        broken.append(pl.when(there).then(1.0).otherwise(pl.col("serving_auc")).alias("serving_auc"))
    metrics.with_columns(broken).write_csv(folder / "metrics.csv")


@pytest.mark.parametrize("column", [True, False])
@pytest.mark.parametrize("baseline", ["iu", "new"])
def test_a_run_that_has_diverged_has_no_mean_no_lift_and_is_never_the_best(
    study: Path, compared: Compare, column: bool, baseline: str
) -> None:
    diverge(study / "runs" / "new" / "seed-4", 26, column)
    done = compared("runs", "--baseline", baseline)
    rows = {row["method"]: row for row in table(done)}
    assert list(rows) == ["iu", "alike", "new"]
    assert [row[""] for row in rows.values()] == ["best", "≈", "diverged"]
    new = rows["new"]
    assert (new["AUC"], new["LogLoss"], new[f"lift over {baseline}"], new["95 %"]) == ("", "", "", "")
    assert [row[f"lift over {baseline}"] for row in rows.values()].count("") == (1 if baseline == "iu" else 3)
    assert "new: diverged in period 26 (seed 4)" in done.out
    assert pl.read_csv(study / "comparison.csv").filter(method="new")["auc"].null_count() == 1


def test_a_run_that_stopped_in_training_has_diverged_though_all_its_scores_are_numbers(
    study: Path, compared: Compare
) -> None:
    (study / "runs" / "new" / "seed-3" / "diverged.txt").write_text("the walk has diverged in period 26 · update: x\n")
    done = compared("runs")
    assert {row["method"]: row[""] for row in table(done)} == {"iu": "best", "alike": "≈", "new": "diverged"}
    assert "new: diverged in period 26 · update (seed 3)" in done.out


def test_a_run_that_diverged_in_pre_training_has_a_row_too(study: Path, compared: Compare) -> None:
    folder = study / "runs" / "hasty" / "seed-3"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("\n")
    (folder / "config.yaml").write_text(config(3, 64))
    (folder / "diverged.txt").write_text("the walk has diverged in epoch 1 of pre-training on periods 1 to 2: x\n")
    done = compared("runs", "--metric", "logloss")
    assert {row["method"]: row[""] for row in table(done)}["hasty"] == "diverged"
    assert "hasty: diverged in epoch 1 of pre-training on periods 1 to 2 (seed 3)" in done.out
    assert table(compared("runs", "--baseline", "hasty"))[0][""] == "best"


def test_methods_without_a_test_period_are_never_the_best(study: Path, compared: Compare) -> None:
    for method in ("iu", "new", "alike"):
        for seed in (3, 4):
            folder = study / "runs" / method / f"seed-{seed}"
            if method != "alike":
                metrics = pl.read_csv(folder / "metrics.csv").filter(split="warm-up")
                metrics.write_csv(folder / "metrics.csv")
            text = (folder / "config.yaml").read_text().replace("init_args: {", "init_args: {test_from: 25, ")
            (folder / "config.yaml").write_text(text)
    done = compared("runs")
    assert {row["method"]: row[""] for row in table(done)} == {
        **{"alike": "best", "iu": "no test period", "new": "no test period"}
    }
    assert "iu: no test period: test_from is 25, the walk has 24 periods" in done.out
    alone = table(compared("runs/iu", "runs/new"))
    assert {row[""] for row in alone} == {"no test period"}


def test_without_a_baseline_there_are_no_lifts(study: Path, compared: Compare) -> None:
    rows = table(compared("runs/new", "runs/alike"))
    assert [row["method"] for row in rows] == ["new", "alike"]
    assert not any("lift" in title or title == "95 %" for title in rows[0])


def test_the_incremental_model_beside_a_generated_one_is_the_baseline(tmp_path: Path, compared: Compare) -> None:
    folder = write_run(tmp_path / "runs" / "gru" / "seed-1", "ASMG", 0.01, seed=1)
    rows = {row["method"]: row for row in table(compared("runs"))}
    assert rows.keys() == {"gru", "incremental model"}
    tested = pl.read_csv(folder / "metrics.csv").filter(split="test")
    lift = (tested["serving_auc"] - tested["incremental_auc"]).to_numpy().mean()
    assert rows["gru"]["lift over incremental model"] == f"{lift:+.4f}"
    assert rows["incremental model"]["AUC"] == f"{tested['incremental_auc'].to_numpy().mean():.4f}"
    assert rows["incremental model"]["seconds"] == ""


def test_warm_up_periods_can_be_compared(study: Path, compared: Compare) -> None:
    assert {row["AUC"] for row in table(compared("runs", "--split", "warm-up"))} == {"0.1000"}


def served(folder: Path, group: str) -> Served:
    """A run folder as it would be on the server."""
    run = read_run(folder)
    rows = [
        {
            **{"period": row["period"], "split": row["split"], "data/rows": row["rows"], "data/positives": 5},
            **{"serving/auc": row["serving_auc"], "serving/logloss": row["serving_logloss"]},
            **{"cost/steps": 4, "cost/seconds": 2.0 + run.seed, "cost/peak_mib": 300.0},
        }
        for row in run.metrics.iter_rows(named=True)
    ]
    drawn = {"periods": {"_type": "table-file"}}
    return Served(f"{group}-{run.method}-{run.seed}", group, run.method, run.config, [*rows, drawn])


def test_runs_on_the_server_make_the_same_table_as_their_folders(
    study: Path, compared: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, rows = compared("runs"), table(compared("runs"))
    folders = [path.parent for path in (study / "runs").rglob("metrics.csv")]
    others = [served(folder, "another") for folder in folders]
    monkeypatch.setenv("WANDB_CACHE_DIR", str(study))
    with serving([served(folder, "drama") for folder in folders] + others) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        from_server = compared("--wandb", "me/fresh", "--experiment", "drama")
        twice = compared("--wandb", "me/fresh")
        nobody = compared("--wandb", "me/fresh", "--experiment", "opera")
    assert from_server.out == local.out
    assert table(from_server) == rows
    assert twice.code == 2
    assert "have seed 3" in twice.err
    assert (nobody.code, nobody.out) == (2, "")
    assert "me/fresh has no run of experiment opera" in nobody.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the folders of runs, or a project"),
        (["runs", "--baseline", "bu3"], "'bu3' is not among the methods: choose from alike, iu, new"),
        (["runs", "--metric", "f1"], "no metric 'f1': choose one of auc, logloss"),
        (["nowhere"], "there is no run in nowhere"),
        (["runs", "--methods", "iu", "--tuned-only"], "name their folder with --tuned"),
        (["runs/iu", "runs/iu/seed-3"], "both called iu and have seed 3"),
    ],
)
def test_what_cannot_be_compared_is_said(study: Path, compared: Compare, arguments: list[str], words: str) -> None:
    done = compared(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_runs_of_one_row_have_one_setting(study: Path, compared: Compare) -> None:
    write(study / "runs" / "iu" / "seed-5", 5, [0.5, 0.5], batch=8)
    done = compared("runs")
    assert done.code == 2
    assert "runs/iu/seed-4 and runs/iu/seed-5 are both called iu but differ in data.batch_size" in done.err


def test_runs_on_other_rows_are_refused(study: Path, compared: Compare) -> None:
    write(study / "runs" / "other" / "seed-3", 3, [0.5, 0.5], rows=99)
    done = compared("runs")
    assert done.code == 2
    assert "were scored on other rows in period 24" in done.err
