"""Lists on streams with weights and with features of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data.featured import FEATURES, featured_rows
from torch import nn
from updaters.top_k.brute import Sum, brute

from asmg_pl.data import EqualRows, Features, InteractionLog, PeriodDataModule
from asmg_pl.data.sources import Source
from asmg_pl.metrics import TopK
from asmg_pl.recommenders import (
    DCNv2,
    EmbeddingMLP,
    TwoTower,
)
from asmg_pl.updaters.top_k.ranking import PeriodRanking


class Rows(Source):
    """A frame's rows."""

    def __init__(self, rows: pl.DataFrame, features: Features) -> None:
        self.rows, self.features = rows, features

    def read(self, root: Path | None) -> InteractionLog:
        return InteractionLog.from_frame(self.rows, features=self.features)


class AtTimes(EqualRows):
    """Periods of 100 moments each."""

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        moments = torch.arange(0, int(log.time[-1]) + 2, self.rows)
        return torch.searchsorted(log.time, moments).tolist()


def ranking_of(rows: pl.DataFrame, features: Features, top_k: TopK, **options: Any) -> PeriodRanking:
    data = PeriodDataModule(Rows(rows, features), periods=AtTimes(100), history_size=2, seed=3, **options)
    return PeriodRanking(top_k, data)


def ranked(ranking: PeriodRanking, model: nn.Module, period: int = 4) -> dict[str, dict[str, float]]:
    found = ranking.rank(period, {"serving": model}, torch.device("cpu"), (0, 1))
    return found.beside | found.scores


def test_a_row_of_weight_2_counts_as_two_rows_in_lists_and_baselines_and_one_of_weight_0_as_none() -> None:
    random = np.random.default_rng(3)
    ids = {"user": random.integers(0, 12, 400), "item": random.integers(0, 25, 400)}
    rows = pl.DataFrame(ids | {"label": random.integers(0, 2, 400), "time": range(400)})
    times = random.integers(1, 4, 400)
    top_k = TopK(at=[3, 8], rows=None)
    weighs = ranking_of(rows.with_columns(w=times.astype(float)), Features(weight="w"), top_k)
    twice = ranking_of(rows[np.repeat(np.arange(400), times)], Features(), top_k)
    torch.manual_seed(3)
    model = Sum(weighs.data.sizes)
    found, expected = ranked(weighs, model), ranked(twice, model)
    assert expected["cases"].pop("ranked") > found["cases"].pop("ranked")
    for name in ("serving", "popularity", "last_item"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9, nan_ok=True)
    light = rows.with_columns(w=(pl.col("time") < 350).cast(pl.Float64))  # those of weight 0 stay known as ids
    of_light, cases = ranking_of(light, Features(weight="w"), top_k), rows[300:350]["label"].sum()
    assert ranked(of_light, model)["cases"]["ranked"] == cases


def as_item_stood(log: InteractionLog, item: int, begin: int, end: int) -> int:
    """The row with an item's features as of a period: its latest row before it, or its first row within."""
    before, within = (torch.nonzero(log.item[a:b] == item).flatten() + a for a, b in ((0, begin), (begin, end)))
    return int(before[-1]) if len(before) else int(within[0])


@pytest.mark.parametrize("appeared", [False, True])
@pytest.mark.parametrize("model", [EmbeddingMLP, DCNv2, TwoTower])  # with sides, without, and of dot products
def test_candidates_have_the_features_of_their_latest_row_before_the_period(model: Any, appeared: bool) -> None:
    rows = featured_rows(360).with_columns(time=pl.int_range(360))
    rows = rows.with_columns(item=pl.when(pl.col("time") > 320).then(pl.col("item") + 50).otherwise("item"))
    features = replace(FEATURES, weight=None, items=("price", "tags", "device"))
    top_k = TopK(at=[3, 8], rows=None, appeared=appeared)
    ranking = ranking_of(rows.drop("weight"), features, top_k)
    torch.manual_seed(3)
    log, data = ranking.data.log, ranking.data
    served = model(data.sizes).eval()
    begin, end = data.rows_of(3).start, data.rows_of(3).stop

    def scores(row: int, items: list[int]) -> np.ndarray:
        batch = log.batch(torch.full((len(items),), row), history_size=2)
        theirs = log.batch(torch.tensor([as_item_stood(log, item, begin, end) for item in items]), history_size=2)
        assert batch.numbers is not None
        assert theirs.numbers is not None
        numbers = batch.numbers.clone()
        numbers[:, 0] = theirs.numbers[:, 0]  # the price
        assert batch.lists is not None
        assert theirs.lists is not None
        lists = batch.lists.clone()
        lists[:, 0] = theirs.lists[:, 0]  # the tags
        assert batch.context is not None
        assert theirs.context is not None
        context = batch.context.clone()
        context[:, 0] = theirs.context[:, 0]  # the device
        made = batch._replace(item=torch.tensor(items), numbers=numbers, lists=lists, context=context)
        with torch.no_grad():
            return np.asarray(served(made).double())

    known = data.known_before(3)[1]
    expected = brute(log, data.rows_of(3), scores, top_k, known)
    found = ranked(ranking, served, period=3)["serving"]
    expected = {name: value for name, value in expected.items() if not (appeared and name.startswith("coverage"))}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_features_of_items_in_later_rows_change_no_list() -> None:
    rows = featured_rows(400).with_columns(time=pl.int_range(400))
    later = rows.with_columns(price=pl.when(pl.col("time") < 300).then("price").otherwise(9.0))
    found = []
    for each in (rows, later):
        ranking = ranking_of(each, FEATURES, TopK(at=[3], rows=None))
        torch.manual_seed(3)
        found.append(ranked(ranking, EmbeddingMLP(ranking.data.sizes).eval()))
    assert repr(found[0]) == repr(found[1])  # by their repr, nan is nan
