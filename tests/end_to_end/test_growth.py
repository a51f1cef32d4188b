"""A stream that has grown at its end: the same command goes on with the new periods."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from end_to_end.program import PERIODS, ROWS, Asmg, metrics, movies, ratings
from end_to_end.test_calendar import OWN_PHASES
from end_to_end.test_methods import METHODS


def newer_ratings(rows: int = 450) -> pl.DataFrame:
    """Two more periods and a half, among them users and items that were not there before."""
    time = ratings()["timestamp"].max()
    assert isinstance(time, int)
    fresh = pl.int_range(rows, eager=True)
    return (
        ratings()
        .with_columns(pl.col("timestamp") + 1)
        .tail(rows)
        .with_columns(
            userId=pl.when(fresh % 5 == 0).then(5000 + fresh % 7).otherwise(pl.col("userId")),
            movieId=pl.when(fresh % 4 == 0).then(9000 + fresh % 6).otherwise(pl.col("movieId")),
            timestamp=time + 60 * (1 + fresh),
        )
    )


def grown_movies() -> pl.DataFrame:
    """The new items, with a genre that was not there before."""
    item = pl.int_range(9000, 9006, eager=True)
    fresh = pl.DataFrame({"movieId": item, "title": [f"New {i}" for i in item], "genres": ["Noir|Drama"] * 6})
    return pl.concat([movies(), fresh])


BUCKETS = {"user": 23, "item": 31}
RECOMMENDERS = {
    "DeepFM": ("--model.init_args.recommender", "asmg_pl.recommenders.DeepFM"),
    "TwoTower": ("--model.init_args.recommender", "asmg_pl.recommenders.TwoTower"),
    "MatrixFactorization": ("--model.init_args.recommender", "asmg_pl.recommenders.MatrixFactorization"),
    "Hashed": (
        *("--config", METHODS[0].parents[1] / "recommenders" / "hashed.yaml"),
        *("--model.init_args.recommender.init_args.users", BUCKETS["user"]),
        *("--model.init_args.recommender.init_args.items", BUCKETS["item"]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [("--config", METHODS[0].with_name(f"{method}.yaml")) for method in OWN_PHASES] + list(RECOMMENDERS.values()),
    ids=[*OWN_PHASES, *RECOMMENDERS],
)
def test_the_walk_goes_on_with_new_periods_users_items_and_categories(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path, model: tuple[str, ...]
) -> None:
    options = ["--model.init_args.pretrain_periods", 4, "--model.init_args.pretrain_epochs", 2]
    options += ["--model.init_args.passes", 1]
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    assert fit(whole, *model, *options, root=write_stream(ratings(), movies())).code == 0
    before = metrics(whole)
    shutil.copytree(whole, parted)

    grown = write_stream(pl.concat([ratings(), newer_ratings()]), grown_movies())
    finished = fit(whole, *model, *options, "--ckpt_path", "last", root=grown)
    assert finished.code == 0, finished.err
    assert metrics(whole).startswith(before)
    table = pl.read_csv(whole / "metrics.csv")
    assert table["period"].to_list() == list(range(5, PERIODS + 3))
    assert (table["rows"] == ROWS // PERIODS).all()
    assert table.tail(2).select(pl.col("^serving_(auc|logloss)$").is_finite().all()).row(0) == (True, True)

    # What has grown is saved as it is: going on from there once more changes nothing.
    for until in (PERIODS + 1, PERIODS + 2):
        assert fit(parted, *model, *options, "--loop.until", until, "--ckpt_path", "last", root=grown).code == 0
    assert metrics(parted) == metrics(whole)


@pytest.mark.slow
def test_hashed_tables_stay_as_they_are_and_new_users_and_items_are_still_told_apart(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path
) -> None:
    whole = pl.concat([ratings(), newer_ratings()])
    counts = ["new_user_rows", "new_item_rows"]
    for name, options in {"plain": (), "hashed": RECOMMENDERS["Hashed"]}.items():
        assert fit(tmp_path / name, *options, root=write_stream(ratings(), movies())).code == 0
        for path in sorted((tmp_path / name / "checkpoints").iterdir())[:-1]:
            path.unlink()
        grown = write_stream(whole, grown_movies())
        given = (*options, "--checkpoint.keep", 100, "--ckpt_path", "last")
        assert fit(tmp_path / name, *given, root=grown).code == 0
    plain, hashed = (pl.read_csv(tmp_path / name / "metrics.csv") for name in ("plain", "hashed"))
    assert hashed.select(counts).equals(plain.select(counts))
    assert hashed["new_user_rows"][-2] > 0 < hashed["new_item_rows"][-2]
    assert math.isfinite(hashed["serving_logloss_new_users"][-2])
    first, *_, last = sorted((tmp_path / "hashed" / "checkpoints").iterdir())
    for path in (first, last):
        state = torch.load(path, weights_only=True)["state_dict"]
        for table, buckets in BUCKETS.items():
            assert state[f"recommender.tables.{table}.weight"].shape[0] == buckets
            assert state[f"history.tables.{table}"].shape[1] == buckets


@pytest.mark.slow
def test_rows_of_new_users_and_items_are_counted_and_scored_apart(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path
) -> None:
    whole = pl.concat([ratings(), newer_ratings()])
    assert fit(tmp_path, root=write_stream(ratings(), movies())).code == 0
    assert fit(tmp_path, "--ckpt_path", "last", root=write_stream(whole, grown_movies())).code == 0
    seen_new = {}
    for row in pl.read_csv(tmp_path / "metrics.csv").iter_rows(named=True):
        period, rows = row["period"], row["rows"]
        earlier, scored = whole.head((period - 1) * rows), whole.slice((period - 1) * rows, rows)
        for kind, name in (("user", "userId"), ("item", "movieId")):
            new = sum(value not in set(earlier[name]) for value in scored[name])
            assert row[f"new_{kind}_rows"] == new
            seen_new[kind, period] = new
            for model in ("incremental", "serving"):
                known_loss, new_loss = (row[f"{model}_logloss_{age}_{kind}s"] for age in ("known", "new"))
                assert math.isnan(new_loss) is (new == 0)
                total = (rows - new) * known_loss + (new * new_loss if new else 0)
                assert total / rows == pytest.approx(row[f"{model}_logloss"], rel=1e-12)
    # Those that come with the first new period are new there and known in the next one.
    assert seen_new["user", PERIODS + 1] > 0 < seen_new["item", PERIODS + 1]
    assert seen_new["user", PERIODS + 2] == 0 == seen_new["item", PERIODS + 2]


@pytest.mark.slow
def test_growth_in_the_middle_of_a_walk_is_the_same_as_at_its_end(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path
) -> None:
    small = write_stream(ratings(), movies())
    grown = write_stream(pl.concat([ratings(), newer_ratings()]), grown_movies())
    tables = []
    for name, until in [("middle", ["--loop.until", 8]), ("end", [])]:
        assert fit(tmp_path / name, *until, root=small).code == 0
        assert fit(tmp_path / name, "--ckpt_path", "last", root=grown).code == 0
        tables.append(metrics(tmp_path / name))
    assert len(tables[0].splitlines()) == 1 + PERIODS + 2 - 4
    assert tables[0] == tables[1]


@pytest.mark.slow
def test_the_metrics_of_a_walk_along_the_beginning_are_the_first_of_one_along_the_whole_stream(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path
) -> None:
    """As a daily job that has always gone on from the day before, and a back-test of all days at once."""
    by_rows = ["--data.periods", "asmg_pl.data.EqualRows", "--data.periods.init_args.rows", ROWS // PERIODS]
    small = write_stream(ratings(), movies())
    grown = write_stream(pl.concat([ratings(), newer_ratings()]), grown_movies())
    for name, root in (("small", small), ("grown", grown)):
        finished = fit(tmp_path / name, *by_rows, root=root)
        assert finished.code == 0, finished.err
    whole = metrics(tmp_path / "grown")
    assert whole.startswith(metrics(tmp_path / "small"))
    assert len(whole.splitlines()) == 1 + PERIODS + 2 - 4
    assert fit(tmp_path / "small", *by_rows, "--ckpt_path", "last", root=grown).code == 0
    assert metrics(tmp_path / "small") == whole


@pytest.mark.slow
def test_rows_that_filled_no_period_wait_for_the_next_ones(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path
) -> None:
    whole = pl.concat([ratings(), newer_ratings(200)])
    root = write_stream(whole.head(ROWS + 7), grown_movies())
    assert fit(tmp_path, root=root).code == 0
    before = metrics(tmp_path)
    root = write_stream(whole.head(ROWS + 199), grown_movies())
    assert "nothing new" in fit(tmp_path, "--ckpt_path", "last", root=root).out
    assert metrics(tmp_path) == before
    assert fit(tmp_path, "--ckpt_path", "last", root=write_stream(whole, grown_movies())).code == 0
    last = pl.read_csv(tmp_path / "metrics.csv").row(-1, named=True)
    liked = int((whole.tail(200)["rating"] >= 4).sum())
    assert (last["period"], last["rows"], last["positives"]) == (PERIODS + 1, 200, liked)


@pytest.mark.slow
def test_rows_known_before_keep_their_numbers(
    fit: Asmg, write_stream: Callable[[pl.DataFrame, pl.DataFrame], Path], tmp_path: Path
) -> None:
    fit(tmp_path, root=write_stream(ratings(), movies()))
    checkpoint = sorted((tmp_path / "checkpoints").iterdir())[-1]
    before = torch.load(checkpoint, weights_only=True)["state_dict"]
    grown = write_stream(pl.concat([ratings(), newer_ratings(250)]), grown_movies())
    assert fit(tmp_path, "--ckpt_path", "last", root=grown).code == 0
    after = torch.load(sorted((tmp_path / "checkpoints").iterdir())[-1], weights_only=True)["state_dict"]
    for name in ("user", "item", "category"):
        old, new = (state[f"history.tables.{name}"] for state in (before, after))
        assert new.shape[1] > old.shape[1]
        # One more push: the slot that was the newest is untouched, in all rows that were there.
        slot = (before["history._extra_state"]["pushes"] - 1) % 2
        assert torch.equal(new[slot, : old.shape[1]], old[slot])
