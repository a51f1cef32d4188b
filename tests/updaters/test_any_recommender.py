"""ASMG over other base models than Embedding&MLP: a step on touched rows is one on whole tables."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from updaters.test_asmg import BIG, SMALL, gradients, loss_and_gradients, random_batches, random_model

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.generators import GRUGenerator, ResidualGRU
from asmg_pl.recommenders import DIN, DeepFM, GRU4Rec, MatrixFactorization, Recommender, SASRec, TwoTower
from asmg_pl.updaters import ASMG

RECOMMENDERS = [TwoTower, DeepFM, MatrixFactorization, DIN, SASRec, GRU4Rec]


def loss_from_whole_models(updater: ASMG, batches: tuple[Batch, ...]) -> Tensor:
    """Every row of both positions' tables is generated; the positions weigh 1/3 and 2/3."""
    whole: dict[str, Tensor] = {}
    for name, table in updater.recommender.table_parameters().items():
        rows, _ = updater.generator.table(name, *updater.history.rows(name, torch.arange(len(table))))
        whole[f"tables.{name}.weight"] = rows
    dense, _ = updater.generator.dense(*updater.history.dense_window())
    total = torch.zeros(())
    for j, (batch, weight) in enumerate(zip(batches, [1 / 3, 2 / 3], strict=True)):
        parameters = {name: rows[j] for name, rows in whole.items()} | updater.history.split_dense(dense[j])
        logits = functional_call(updater.recommender, parameters, (batch,))
        total = total + weight * F.binary_cross_entropy_with_logits(logits, batch.label)
    return total


@pytest.mark.parametrize("generator", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize("sizes", [BIG, SMALL, Sizes(60, 80)], ids=["big", "small", "without categories"])
@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_a_step_on_touched_rows_is_a_step_on_whole_tables(
    recommender: type[Recommender], sizes: Sizes, generator: type[GRUGenerator]
) -> None:
    updater = random_model(sizes, pushes=3, recommender=recommender, generator=generator, window=2)
    batches = random_batches(sizes)[:2]
    loss, found = loss_and_gradients(updater, batches)
    expected = loss_from_whole_models(updater, batches)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients(updater, expected).items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-5, msg=f"gradients of {name} differ")
        assert gradient.any(), name


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_the_serving_model_is_the_newest_generated_one(recommender: type[Recommender]) -> None:
    updater = random_model(BIG, pushes=3, recommender=recommender, window=2)
    updater.make_generated()
    batch = random_batches(BIG)[1]
    torch.testing.assert_close(updater.generated(batch), updater.generated_logits((batch, batch))[-1])
    assert not torch.allclose(updater.generated(batch), updater.recommender(batch), atol=1e-2)
