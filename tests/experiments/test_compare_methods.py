"""``asmg compare`` with methods to walk: table, intervals, tuned settings, a failed walk."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from experiments.conftest import COMMON, Command, table


def serving_auc(folder: Path, method: str) -> pl.DataFrame:
    return pl.read_csv(folder / "runs" / method / "seed-3" / "metrics.csv").select("period", "split", "serving_auc")


@pytest.mark.usefixtures("within")
def test_methods_are_compared_pair_by_pair_and_a_failed_one_is_reported(folder: Path, asmg: Command) -> None:
    (folder / "tuned").mkdir()
    (folder / "tuned" / "iu.yaml").write_text("data:\n  batch_size: 32\nmodel:\n  init_args:\n    passes: 2\n")
    methods = ["--methods", "iu.yaml", "bu2.yaml", "wrong.yaml", "--tuned", "tuned"]
    done = asmg("compare", "runs", *methods, "--seeds", "3", "--", *COMMON)
    assert done.code == 1, done.err
    assert "model.window must be at least 1" in done.err
    assert "[4/4]" in done.err
    assert done.err.count(" failed after ") == 1
    assert "1 walk failed: runs/wrong/seed-3" in done.err
    rows = {row["method"]: row for row in table(folder / "runs" / "comparison.md")}
    assert rows.keys() == {"iu", "iu_tuned", "bu2"}

    found = {name: serving_auc(folder, name) for name in rows}
    tested = {name: scores.filter(split="test")["serving_auc"].to_numpy() for name, scores in found.items()}
    assert rows["bu2"]["AUC"] == f"{tested['bu2'].mean():.4f}"
    differences = tested["bu2"] - tested["iu"]
    assert rows["bu2"]["lift over iu"] == f"{differences.mean():+.4f}"
    assert rows["bu2"]["95 %"] == f"{differences.min():+.4f} to {differences.max():+.4f}"  # two pairs
    assert (rows["iu"]["lift over iu"], rows["iu"]["95 %"]) == ("+0.0000", "+0.0000 to +0.0000")
    # 200 rows in mini-batches of 64, twice in mini-batches of 32, and 400 rows in mini-batches of 64
    assert {name: row["steps"] for name, row in rows.items()} == {"iu": "4", "iu_tuned": "14", "bu2": "7"}
    assert rows["iu_tuned"]["setting"] == "batch 32, lr 0.001, passes 2"
    assert rows["bu2"]["setting"] == "batch 64, lr 0.001, passes 1"
    assert rows["iu"]["MiB"] == "400"
    assert pl.read_csv(folder / "runs" / "comparison.csv")["method"].to_list() == list(rows)
    assert max(map(len, done.out.splitlines())) <= 80
    assert [line.split()[0] for line in done.out.splitlines() if line[:2] in ("iu", "bu")] == list(rows)
    assert (folder / "runs" / "comparison.png").read_bytes().startswith(b"\x89PNG")

    # The period after pre-training is scored by the pre-trained model, which is the same whatever the updates' setting.
    first = {name: scores.filter(split="selection")["serving_auc"].item() for name, scores in found.items()}
    assert len(set(first.values())) == 1
    assert not found["iu"].equals(found["iu_tuned"])


def test_the_baseline_must_be_among_the_methods(folder: Path, asmg: Command) -> None:
    done = asmg("compare", "runs", "--methods", "bu2.yaml", "--baseline", "iu", "--", *COMMON)
    assert (done.code, done.out) == (2, "")
    assert "'iu' is not among the methods" in done.err


def test_a_missing_file_is_named(folder: Path, asmg: Command) -> None:
    done = asmg("compare", "runs", "--methods", "nowhere.yaml", "--baseline", "nowhere")
    assert done.code == 2
    assert "there is no file nowhere.yaml" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs", "--", "--config", "demo"], "name the methods with --methods"),
        (["a", "b", "--methods", "iu.yaml"], "name one folder"),
        (["runs", "--experiment", "x"], "name it with --wandb"),
        (["runs", "--methodz", "iu.yaml"], "did you mean --methods?"),
        (["runs", "--methods", "iu.yaml", "--data.root", "."], "give it after --"),
        (["runs", "--methods", "iu.yaml", "inner/iu.yaml"], "are both called iu"),
        (["runs", "--methods", "gru_mult"], "did you mean configs/methods/gru_multi.yaml?"),
        (["runs", "--methods", "none/*.yaml"], "no file fits none/*.yaml"),
        (["runs", "--methods", "iu", "--jobs", "0"], "0 is no whole number from 1 on"),
        (["runs", "--methods", "iu", "--tuned", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_walked_is_one_message(folder: Path, asmg: Command, arguments: list[str], words: str) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "iu.yaml").write_text("model: {}")
    done = asmg("compare", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
