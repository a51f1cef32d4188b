"""Packages of streams with numbers, lists and features of users and items: the scorer answers as the walk."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.featured import FEATURES, featured_rows
from updaters.rows.test_moments import SHORT, Rows

import asmg_pl
from asmg_pl.callbacks import ServingExport
from asmg_pl.data import EqualRows, PeriodDataModule, Sizes
from asmg_pl.errors import ConfigError, RequestError
from asmg_pl.recommenders import DCNv2, DeepFM, EmbeddingMLP, Recommender, TwoTower
from asmg_pl.serving import Scorer, Scores, load
from asmg_pl.updaters import IncrementalUpdate
from asmg_pl.walk import Walk

ROWS, PERIODS, HISTORY = 60, 5, 3
FRAME = featured_rows(ROWS * (PERIODS + 1))


def walked(recommender: Callable[[Sizes], Recommender], folder: Path, formats: tuple[str, ...] = ()) -> Walk:
    data = PeriodDataModule(Rows(FRAME), periods=EqualRows(ROWS), batch_size=16, history_size=HISTORY)
    made = partial(IncrementalUpdate, recommender=recommender, **SHORT)
    export = ServingExport(keep=1, formats=[*formats] or None)
    settings: dict[str, Any] = {"enable_progress_bar": False, "accelerator": "cpu", "until": PERIODS}
    return asmg_pl.walk(made, data, folder, callbacks=[export], **settings)


def latest(name: str, by: str) -> dict[int, Any]:
    """The value that each user or item has in its latest row up to the package's period."""
    return {row[by]: row[name] for row in FRAME[: ROWS * PERIODS].iter_rows(named=True)}


def known_rows(data: PeriodDataModule, sizes: Sizes) -> torch.Tensor:
    """The rows after the package's period whose ids and values the package knows, with all of the user's features."""
    rows = torch.arange(ROWS * PERIODS, len(FRAME))
    batch = data.log.batch(rows, HISTORY)
    assert batch.context is not None
    assert batch.lists is not None
    assert batch.numbers is not None
    known = (batch.user < sizes.users) & (batch.item < sizes.items) & (batch.history < sizes.items).all(1)
    known &= (batch.context < torch.tensor(sizes.context)).all(1) & ~batch.numbers[:, 1].isnan()
    known &= (batch.lists < torch.tensor([[each.values] for each in sizes.lists])).all((1, 2))
    return rows[known & (batch.lists[:, 1, 0] >= 0)]


def asked(scorer: Scorer, row: dict[str, Any], history: list[Any]) -> Scores:
    given = {name: row[name] for name in ("device", "country", "age")}
    given |= {name: (row[name] or [])[: FEATURES.list_size] for name in ("tags", "interests")}
    return scorer.score(row["user"], [row["item"]], history=history, context=given)


@pytest.mark.parametrize("recommender", [EmbeddingMLP, DeepFM, TwoTower, DCNv2])
def test_a_scorer_answers_as_the_walk_scores_with_the_values_that_items_have_by_now(
    recommender: Callable[[Sizes], Recommender], tmp_path: Path
) -> None:
    done = walked(recommender, tmp_path)
    scorer, sizes = load(tmp_path / "serving"), done.data.sizes_by(PERIODS)
    assert scorer.package.sizes == sizes._replace(past=None)
    positions = known_rows(done.data, sizes)
    batch = done.data.log.batch(positions, HISTORY)
    prices, numbers = latest("price", "item"), batch.numbers
    assert numbers is not None
    rows = [FRAME.row(position, named=True) for position in positions.tolist()]
    numbers[:, 0] = torch.tensor([torch.nan if (price := prices[row["item"]]) is None else price for row in rows])
    with torch.no_grad():
        expected = done.updater.logits(batch)["serving"]
    item_names = done.data.log.names["items"]()
    for place, row in enumerate(rows):
        past = [item_names[number] for number in batch.history[place, : batch.history_length[place]].tolist()]
        found = asked(scorer, row, past)
        assert not found.unknown.user
        torch.testing.assert_close(float(found.logits[0]), float(expected[place]), atol=1e-5, rtol=0)
    assert len(rows) > 3


def test_a_user_whose_features_are_not_given_has_the_latest_ones(tmp_path: Path) -> None:
    walked(EmbeddingMLP, tmp_path)
    scorer, (age, country) = load(tmp_path / "serving"), (latest(name, "user") for name in ("age", "country"))
    user = next(user for user, value in age.items() if value is not None)
    item = FRAME["item"][0]
    left_out, given = scorer.score(user, [item]), {"age": age[user], "country": country[user]}
    assert left_out.logits.tolist() == scorer.score(user, [item], context=given).logits.tolist()
    assert {"device", "tags"} <= set(left_out.unknown.context)
    assert not {"age", "country"} & set(left_out.unknown.context)
    assert left_out.logits.tolist() != scorer.score(user, [item], context={"age": age[user] + 30}).logits.tolist()


def test_what_is_unknown_is_told_and_what_is_no_value_is_refused(tmp_path: Path) -> None:
    walked(TwoTower, tmp_path)
    scorer, item = load(tmp_path / "serving"), FRAME["item"][0]
    stranger = scorer.score("nobody", [item], context={"device": "tablet", "tags": ["tag 0", "new"]})
    assert {"device", "country", "age", "tags", "interests"} == set(stranger.unknown.context)
    assert np.isfinite(scorer.score("nobody", [item, "new"], context={"tags": ["tag 0"]}).logits).all()
    refused: list[tuple[dict[str, Any], str]] = [
        ({"price": 3.0}, "a feature of the items"),
        ({"age": "old"}, "give a finite number"),
        ({"age": float("nan")}, "give a finite number"),
        ({"tags": "tag 0"}, "give a list of names"),
        ({"tags": [1.5]}, "an entry of context"),
        ({"colour": 1}, "no context feature of the package"),
    ]
    for wrong, said in refused:
        with pytest.raises(RequestError, match=said):
            scorer.score(3, [item], context=wrong)


def test_formats_that_the_recommender_does_not_have_are_refused_before_the_walk(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EmbeddingMLP does not score by a dot product"):
        walked(EmbeddingMLP, tmp_path, formats=("vectors",))
    assert not (tmp_path / "serving").exists()


def test_a_program_gives_what_the_walk_scores_of_rows_with_all_features(tmp_path: Path) -> None:
    done = walked(TwoTower, tmp_path, formats=("pt2", "vectors"))
    (folder,) = (tmp_path / "serving" / "formats").iterdir()
    batch = done.data.log.batch(known_rows(done.data, done.data.sizes_by(PERIODS)), HISTORY)
    names = [each["name"] for each in json.loads((folder / "formats.json").read_bytes())["inputs"]]
    assert names == ["user", "item", "history", "history_length", "context", "numbers", "lists"]
    _, probability = torch.export.load(folder / "model.pt2").module()(*(getattr(batch, name) for name in names))
    with torch.no_grad():
        expected = done.updater.logits(batch)["serving"].sigmoid()
    torch.testing.assert_close(probability, expected, atol=1e-5, rtol=0)
