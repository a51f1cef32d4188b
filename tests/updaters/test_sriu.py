"""SRIU: the weights of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
import torch

from asmg_pl.data import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import SRIU, IncrementalUpdate, Updater
from asmg_pl.updaters.sriu import scores_of, statistics_of

Walk = Callable[..., Updater]


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


class Watched(SRIU):
    """Notes the weights of all rows of an update, and what the model before says of them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.noted: list[pl.DataFrame] = []

    def loss(self, batch: Batch) -> torch.Tensor:
        assert self.phase is not None
        columns = {"user": batch.user, "label": batch.label, "logit": self.before(batch).double()}
        rows = pl.DataFrame({name: column.numpy() for name, column in columns.items()})
        found = pl.Series("weight", self.row_weights(batch).numpy())
        self.noted.append(rows.with_columns(found, period=pl.lit(self.phase.period)))
        return super().loss(batch)


def test_rows_count_by_their_place_among_those_of_their_user_and_label(short_walk: Walk) -> None:
    updater = short_walk(Watched, shrinkage=0.5)
    assert isinstance(updater, Watched)
    rows = pl.concat(updater.noted)
    same, logit = ["period", "user", "label"], pl.col("logit")
    spread = logit.std().over(same).fill_null(1.0)
    rows = rows.with_columns(scaled=(logit - logit.mean().over(same)) / pl.when(spread > 0).then(spread).otherwise(1))
    rows = rows.with_columns(raised=(0.5 * (2 * pl.col("label") - 1) * pl.col("scaled")).exp())
    expected = rows["raised"] / rows.select(pl.col("raised").mean().over("period", "user")).to_series()
    torch.testing.assert_close(rows["weight"].to_torch(), expected.to_torch().float(), rtol=1e-4, atol=1e-4)
    assert rows.group_by("period", "user").agg(pl.col("weight").mean())["weight"].to_numpy() == pytest.approx(1)
    assert (rows["weight"] > 1.2).any()


def test_a_user_with_one_row_of_a_label_has_nothing_to_compare() -> None:
    user, label = torch.tensor([4, 4, 9]), torch.tensor([1, 0, 1])
    logits = torch.tensor([3.0, -1.0, 2.0]).double()
    known = statistics_of(user, label, logits, 0.5)
    assert known["users"].tolist() == [4, 9]
    assert known["normalizer"].tolist() == [1, 1]
    assert scores_of(torch.tensor([0, 0, 1]), label, logits, known, 0.5).abs().max() == 0


def test_a_negative_of_another_draw_has_a_bounded_score() -> None:
    logits = torch.tensor([0.0, 1e-9]).double()
    known = statistics_of(torch.tensor([0, 0]), torch.tensor([0, 0]), logits, 1.0)
    score = scores_of(torch.tensor([0]), torch.tensor([0]), torch.tensor([5.0]).double(), known, 1.0)
    assert score.item() == pytest.approx(-math.sqrt(0.5))


def test_without_scores_it_is_plain_incremental_update(short_walk: Walk) -> None:
    plain, none, some = short_walk(IncrementalUpdate), short_walk(SRIU, shrinkage=0.0), short_walk(SRIU)
    torch.testing.assert_close(weights(plain.recommender), weights(none.recommender))
    assert repr(plain.results[3]) == repr(some.results[3])
    assert repr(plain.results[5]) != repr(some.results[5])


def test_statistics_last_as_long_as_the_update(short_walk: Walk) -> None:
    updater = short_walk(SRIU, passes=2)
    assert isinstance(updater, SRIU)
    assert updater.statistics == {}
    assert [phase.name for phase in updater.plan(7)] == ["score", "weigh", "update", "update"]


def test_the_shrinkage_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"model\.shrinkage must be from 0 to 1, got 2"):
        SRIU(Sizes(5, 5), shrinkage=2.0)
