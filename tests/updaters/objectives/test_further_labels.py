"""Walks that are trained on several labels."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import polars as pl
import pytest
import torch
from data.featured import FEATURES, featured_rows
from updaters.rows.test_moments import SHORT, Build, Rows, logits, walked

from asmg_pl.data import Batch, InteractionLog, Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, LabelHeads, TwoTower
from asmg_pl.testing.walks import ROWS
from asmg_pl.updaters import ASMG, SFTL, IncrementalUpdate
from asmg_pl.updaters.losses import cross_entropy
from asmg_pl.updaters.objectives import FurtherLabels

WEIGHTS = {"buy": 0.5, "dwell": 2.0}
HEADED: dict[str, Any] = {"recommender": LabelHeads, "objective": FurtherLabels(WEIGHTS)}


def log(rows: int = 120) -> InteractionLog:
    return Rows(featured_rows(rows)).read(None)


def asked(batch: Batch) -> Batch:
    return batch._replace(label_weights=torch.tensor([WEIGHTS[name] for name in FEATURES.labels]))


@pytest.mark.parametrize("recommender", [EmbeddingMLP, DeepFM, TwoTower])
def test_a_mini_batch_that_asks_for_them_gets_logits_of_all_labels(recommender: Any) -> None:
    stream = log()
    model = LabelHeads(stream.sizes, recommender)
    batch = stream.batch(torch.arange(20, 60), history_size=3)
    found = model(asked(batch))
    assert found.shape == (40, 3)
    torch.testing.assert_close(found[:, 0], model(batch))
    assert len({tuple(column.tolist()) for column in found.T}) == 3


def test_the_loss_is_the_weighted_sum_over_labels_that_are_known() -> None:
    stream = log()
    batch = asked(stream.batch(torch.arange(40), history_size=3))
    given = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    assert batch.labels is not None
    assert batch.weight is not None
    expected = float(cross_entropy(given[:, 0], batch.label, batch))
    for row in range(40):
        for place, weight in enumerate(WEIGHTS.values()):
            label, logit = float(batch.labels[row, place]), float(given[row, 1 + place])
            if not math.isnan(label):
                chance = 1 / (1 + math.exp(-logit))
                entropy = -(label * math.log(chance) + (1 - label) * math.log(1 - chance))
                expected += weight * float(batch.weight[row]) * entropy / 40
    found = FurtherLabels(WEIGHTS)
    found.check(LabelHeads(stream.sizes))
    assert float(found.loss(given, batch)) == pytest.approx(expected, rel=1e-5)


def test_a_label_that_nobody_knows_teaches_nothing() -> None:
    stream = log()
    model, objective = LabelHeads(stream.sizes), FurtherLabels(WEIGHTS)
    batch = asked(stream.batch(torch.arange(40), history_size=3))
    assert batch.labels is not None
    objective.loss(model(batch), batch._replace(labels=torch.full_like(batch.labels, math.nan))).backward()
    assert all(float(part.grad.abs().sum()) == 0 for part in model.heads.parameters() if part.grad is not None)
    assert all(part.grad.isfinite().all() for part in model.parameters() if part.grad is not None)


@pytest.mark.parametrize(
    "make",
    [partial(IncrementalUpdate, **HEADED), partial(ASMG, window=2, **HEADED)],
    ids=["IncrementalUpdate", "ASMG"],
)
def test_a_further_label_changes_later_scores_and_none_before(make: Build) -> None:
    rows = featured_rows(6 * ROWS + 15)
    changed, row = 4, 4 * ROWS + 7
    labels = rows["buy"].to_list()
    labels[row] = 0.0 if labels[row] else 1.0
    before, after = logits(make, rows), logits(make, rows.with_columns(buy=pl.Series(labels)))
    for key, values in before.items():
        same = torch.equal(values, after[key])
        assert same if key[0] <= changed + 1 else not same


def test_a_walk_serves_the_label_alone() -> None:
    made = walked(partial(IncrementalUpdate, **HEADED), featured_rows(6 * ROWS + 15))
    assert all(math.isfinite(result.scores["serving"]["auc"]) for result in made.results.values())


def test_what_does_not_go_together_is_refused() -> None:
    one, two = Sizes(users=9, items=9), Sizes(users=9, items=9, labels=("buy",))
    with pytest.raises(ConfigError, match="the stream has one label: convert it with --labels"):
        LabelHeads(one)
    with pytest.raises(ConfigError, match=r"EmbeddingMLP has none: put .*LabelHeads around it"):
        IncrementalUpdate(two, objective=FurtherLabels({"buy": 1.0}), **SHORT)
    with pytest.raises(ConfigError, match="the stream has no label 'bought', only buy: name one of these"):
        IncrementalUpdate(two, recommender=LabelHeads, objective=FurtherLabels({"bought": 1.0}), **SHORT)
    with pytest.raises(ConfigError, match="SFTL does not work with FurtherLabels: it compares each row's logit"):
        SFTL(two, recommender=LabelHeads, objective=FurtherLabels({"buy": 1.0}), **SHORT)
    with pytest.raises(ConfigError, match="names no label"):
        FurtherLabels({})
    with pytest.raises(ConfigError, match=r"'buy' must count 0 or more, got -1\.0"):
        FurtherLabels({"buy": -1.0})
