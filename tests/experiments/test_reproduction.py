"""The reproduction of the paper's table: settings by data set, our scores beside the paper's, tiny files walked."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from experiments.conftest import Command

from asmg_pl.experiments.reproduction import PAPER, SMALL, beside, present, results, show, titles

BY_NAME = {data_set.name: data_set for data_set in (*PAPER, *SMALL)}
PUBLISHED = results()
METHODS = PUBLISHED["method"].unique(maintain_order=True).to_list()

# ---- settings


@pytest.fixture
def settings(asmg: Command) -> Callable[[str, str], dict[str, Any]]:
    """Batch size and the model's arguments with which a method walks a data set."""

    def read(name: str, method: str) -> dict[str, Any]:
        data_set = BY_NAME[name]
        given = ["fit", *data_set.common(Path("data")), *data_set.trial(method).arguments(), "--print_config"]
        done = asmg(*given)
        assert done.code == 0, done.err
        config = yaml.safe_load(done.out)
        return {"batch": config["data"]["batch_size"], **config["model"]["init_args"]}

    return read


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("movielens", "iu", {"batch": 1024, "learning_rate": 1e-3}),
        ("sobazaar", "iu", {"batch": 256, "learning_rate": 1e-3}),
        ("tmall", "iu", {"batch": 1024, "learning_rate": 1e-2}),
        ("movielens", "inc_ctr", {"distillation": 0.2, "learning_rate": 1e-3}),
        ("sobazaar", "inc_ctr", {"distillation": 0.1, "batch": 256}),
        ("tmall", "inc_ctr", {"distillation": 0.2, "learning_rate": 1e-2}),
        ("movielens", "spmf", {"reservoir_share": 0.3, "replay": 0.5}),
        ("sobazaar", "spmf", {"reservoir_share": 1.0, "replay": 0.1}),
        ("tmall", "spmf", {"reservoir_share": 0.1, "replay": 0.01}),
        ("movielens", "sml", {"pretrain_learning_rate": 1e-3, "learning_rate": 1e-2, "transfer_learning_rate": 1e-3}),
        ("sobazaar", "sml", {"pretrain_learning_rate": 1e-3, "learning_rate": 1e-2, "transfer_learning_rate": 1e-3}),
        ("tmall", "sml", {"pretrain_learning_rate": 1e-2, "learning_rate": 1e-2, "transfer_learning_rate": 1e-2}),
        ("sobazaar", "sml_mf", {"pretrain_learning_rate": None, "learning_rate": 1e-2, "transfer_learning_rate": 1e-2}),
        ("tmall", "sml_mf", {"pretrain_learning_rate": None, "learning_rate": 1e-2, "transfer_learning_rate": 1e-2}),
        ("movielens", "gru_multi", {"generator_learning_rate": 1e-2, "window": 3, "weights": "linear"}),
        ("tmall", "gru_multi", {"generator_learning_rate": 1e-2, "window": 3, "learning_rate": 1e-2}),
        ("sobazaar", "gru_full", {"window": None, "batch": 256}),
        ("movietweetings", "iu", {"batch": 1024, "learning_rate": 1e-3}),
    ],
)
def test_a_method_has_the_papers_settings_for_the_data_set(
    settings: Callable[[str, str], dict[str, Any]], name: str, method: str, expected: dict[str, Any]
) -> None:
    found = settings(name, method)
    assert {key: found[key] for key in expected} == expected
    assert (found["pretrain_periods"], found["pretrain_epochs"], found["test_from"]) == (10, 10, 25)


def test_the_model_that_all_start_from_has_the_data_sets_rate_of_pretraining() -> None:
    starts = {name: {m: BY_NAME[name].trial(m).start().name for m in METHODS} for name in ("tmall", "sobazaar")}
    alone = {method for method, start in starts["sobazaar"].items() if start != "pretraining/common"}
    assert alone == {method for method, start in starts["tmall"].items() if start != "pretraining/common"}
    assert alone == {"sml_mf"}, "which has another base model"


# ---- the table


def test_every_method_of_the_paper_has_its_figures_on_all_three_data_sets() -> None:
    assert len(METHODS) == 14
    assert PUBLISHED.group_by("data_set").len().sort("data_set").rows() == [
        (n, 14) for n in ("movielens", "sobazaar", "tmall")
    ]
    assert PUBLISHED["auc"].is_between(0.7, 0.83).all()
    best = PUBLISHED.filter(pl.col("auc") == pl.col("auc").max().over("data_set"))
    assert sorted(best.select("data_set", "title").rows()) == [
        ("movielens", "ASMG-GRUfull"),
        ("sobazaar", "ASMG-GRUmulti"),
        ("tmall", "ASMG-GRUmulti"),
    ]


def ours(method: str, auc: float, logloss: float) -> dict[str, Any]:
    return {"method": method, "auc": auc, "logloss": logloss, "auc_std": 0.001, "lift": 0.01, "low": 0.0, "high": 0.02}


def test_ours_stand_beside_the_papers_in_its_order_and_unit() -> None:
    rows = beside([ours("gru_multi", 0.8323, 0.5), ours("iu", 0.8163, 0.55)], "tmall", PUBLISHED)
    assert [row["method"] for row in rows] == ["iu", "gru_multi"]
    assert [row["spreads"] for row in rows] == pytest.approx([-1, 2])  # .8180 - .0017 and .8289 + .0034
    assert rows[1]["paper_lift"] == pytest.approx(0.0109)
    assert rows[1]["logloss_difference"] == pytest.approx(0.5 - 0.5079)
    shown = show(rows)
    line = dict(zip(shown.header, shown.rows[1], strict=True))
    assert (line["method"], line["AUC"], line["paper AUC"]) == ("ASMG-GRUmulti", "0.8323", "0.8289")
    assert (line["difference"], line["spreads"], line["paper lift"]) == ("+0.0034", "+2.0", "+0.0109")


def test_a_score_that_is_not_defined_has_no_difference() -> None:
    (row,) = beside([ours("iu", 0.8, 0.5) | {"auc": None}], "tmall", PUBLISHED)
    shown = show([row])
    line = dict(zip(shown.header, shown.rows[0], strict=True))
    assert (line["AUC"], line["difference"], line["paper AUC"]) == ("", "", "0.8180")


def test_of_a_stream_that_the_paper_has_not_ours_stand_alone() -> None:
    (row,) = beside([ours("iu", 0.78, 0.5)], "movietweetings", PUBLISHED)
    shown = show([row])
    assert dict(zip(shown.header, shown.rows[0], strict=True))["paper AUC"] == ""


# ---- tiny files in the real formats


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """All three data sets: 31 days of users who have not yet met all items."""
    random = np.random.default_rng(0)
    folder = tmp_path / "data"
    for name in ("ml-25m", "sobazaar", "tmall"):
        (folder / name).mkdir(parents=True)
    days, each = 31, 30
    count = days * each
    user, item, day = random.integers(200, size=count), random.integers(30, size=count), np.arange(count) // each
    begin = 1_388_534_400  # 2014-01-01
    ratings = pl.DataFrame(
        {"userId": user, "movieId": item, "rating": random.integers(2, 11, count) / 2, "timestamp": begin + day * 86400}
    )
    ratings.write_csv(folder / "ml-25m" / "ratings.csv")
    films = {
        "movieId": range(30),
        "title": [f"Film {n}" for n in range(30)],
        "genres": ["Drama", "Action|War", "Comedy"] * 10,
    }
    pl.DataFrame(films).write_csv(folder / "ml-25m" / "movies.csv")
    clicks = [
        f"product_wanted,Item_{i},2014-10-{d + 1:02}T10:00:{n % 60:02}.000Z,User_{u}"
        for n, (u, i, d) in enumerate(zip(user, item, day, strict=True))
    ]
    text = "\n".join(["Action,ItemID,Timestamp,UserID", *clicks, ""])
    (folder / "sobazaar" / "Sobazaar-hashID.csv.gz").write_bytes(gzip.compress(text.encode()))
    lines = [f"{u},{i},{i % 4},7,5,10{d + 1:02},0" for u, i, d in zip(user, item, day, strict=True)]
    header = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type"
    (folder / "tmall" / "user_log_format1.csv").write_text("\n".join([header, *lines, ""]))
    return folder


def test_the_papers_data_sets_come_before_the_small_streams(data: Path) -> None:
    (data / "movietweetings").mkdir()
    for name in ("ratings.dat", "movies.dat"):
        (data / "movietweetings" / name).touch()
    assert [one.name for one in present(data)] == ["tmall", "sobazaar", "movielens"]
    (data / "tmall" / "user_log_format1.csv").unlink()
    (data / "ml-25m" / "movies.csv").unlink()
    assert [one.name for one in present(data)] == ["sobazaar"]
    (data / "sobazaar" / "Sobazaar-hashID.csv.gz").unlink()
    assert [one.name for one in present(data)] == ["movietweetings"]


def test_only_the_papers_table_draws_negatives_from_the_whole_stream() -> None:
    configs = Path(__file__).parents[2] / "configs"
    drawing = [path for path in configs.rglob("*.yaml") if "candidates: whole_stream" in path.read_text()]
    assert drawing == [configs / "paper" / "negatives.yaml"]
    assert all("paper/negatives.yaml" in BY_NAME[name].configs for name in ("tmall", "sobazaar"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*cannot be compared with published ones")
@pytest.mark.usefixtures("within")
def test_what_is_there_is_walked_and_not_walked_again(data: Path, tmp_path: Path, asmg: Command) -> None:
    given = ["reproduce", tmp_path / "runs", "--data", data, "--methods", "inc_ctr", "iu", "--seeds", 3]
    given += ["--", "--model.init_args.pretrain_epochs", 1, "--loop.until", 26]
    done = asmg(*given)
    assert done.code == 0, done.err
    rows = pl.read_csv(tmp_path / "runs" / "reproduction.csv")
    expected = [(name, method) for name in ("tmall", "sobazaar", "movielens") for method in ("iu", "inc_ctr")]
    assert rows.select("data_set", "method").rows() == expected
    for row in rows.iter_rows(named=True):
        metrics = pl.read_csv(tmp_path / "runs" / row["data_set"] / row["method"] / "seed-3" / "metrics.csv")
        tested = metrics.filter(split="test")
        assert tested["period"].to_list() == [25, 26]
        assert row["auc"] == pytest.approx(tested["serving_auc"].to_numpy().mean())
        (theirs,) = PUBLISHED.filter(data_set=row["data_set"], method=row["method"])["auc"]
        assert row["difference"] == pytest.approx(row["auc"] - theirs)
    assert "| tmall | IncCTR |" in (tmp_path / "runs" / "reproduction.md").read_text()
    assert any(line.split()[:2] == ["tmall", "IncCTR"] for line in done.out.splitlines())
    assert max(map(len, done.out.splitlines())) <= 80

    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")}
    assert asmg(*given).code == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.ckpt")} == written


def test_without_any_data_set_it_says_what_it_looks_for(tmp_path: Path, asmg: Command) -> None:
    done = asmg("reproduce", tmp_path / "runs", "--data", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "none of tmall, sobazaar, ml-25m, ml-latest-small, movietweetings is complete" in done.err


def test_a_method_that_the_paper_has_not_is_refused(tmp_path: Path, asmg: Command) -> None:
    done = asmg("reproduce", tmp_path / "runs", "--methods", "iu", "ewc")
    assert (done.code, done.out) == (2, "")
    assert f"the paper has no method ewc: choose from {', '.join(titles())}" in done.err
