"""Pre-training keeps the epoch that scores best, and makes none where a pre-trained model is given."""

from __future__ import annotations

import math

import pytest
import torch

from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import EmbeddingMLP, MatrixFactorization
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.pretraining import Pretraining


def nothing(*_: object) -> None:
    """Does nothing."""


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.5, 0.7), (0.6, 0.9), (0.4, 0.1)], 1),
        ([(0.6, 0.7), (0.6, 0.1)], 0),
        ([(math.nan, 0.7), (math.nan, 0.5), (math.nan, 0.6)], 1),
    ],
    ids=["by AUC", "the first of equal ones", "by LogLoss where there is no AUC"],
)
def test_after_the_last_epoch_the_best_one_is_back_with_its_moments(
    scores: list[tuple[float, float]], best: int
) -> None:
    model = MatrixFactorization(Sizes(3, 4))
    optimizer = Adam(model.parameters(), lr=0.1)
    pretraining = Pretraining(model, periods=2, epochs=len(scores))
    weights, moments = [], []
    for epoch, (auc, logloss) in enumerate(scores):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        weights.append([parameter.detach().clone() for parameter in model.parameters()])
        moments.append([optimizer.state[parameter]["exp_avg"].clone() for parameter in model.parameters()])
        over = pretraining.end_epoch(epoch, {"auc": auc, "logloss": logloss}, optimizer)
        assert over == (epoch == len(scores) - 1)
        assert bool(pretraining.best) == (not over)
    for parameter, weight, moment in zip(model.parameters(), weights[best], moments[best], strict=True):
        assert torch.equal(parameter, weight)
        assert torch.equal(optimizer.state[parameter]["exp_avg"], moment)


def test_a_model_that_tells_no_rows_apart_begins_anew_at_half_the_rate(caplog: pytest.LogCaptureFixture) -> None:
    model = EmbeddingMLP(Sizes(3, 4))
    initial = {name: value.detach().clone() for name, value in model.dense_parameters().items()}
    optimizer = Adam(model.parameters(), lr=0.1)
    pretraining = Pretraining(model, periods=2, epochs=2)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    tables = [table.detach().clone() for table in model.table_parameters().values()]
    assert not pretraining.end_epoch(0, {"auc": 0.5, "logloss": 0.7}, optimizer, constant=True)
    assert "begin anew" in caplog.text
    for name, value in model.dense_parameters().items():
        assert torch.equal(value, initial[name])
        assert value not in optimizer.state
    for table, before in zip(model.table_parameters().values(), tables, strict=True):
        assert torch.equal(table, before)
        assert table in optimizer.state
    assert [group["lr"] for group in optimizer.param_groups] == [0.05]
    optimizer.step()
    assert pretraining.end_epoch(1, {"auc": 0.5, "logloss": 0.7}, optimizer, constant=True)
    assert "lower model.init_args.pretrain_learning_rate" in caplog.text


def test_each_epoch_trains_on_all_periods_and_is_scored_on_the_next_one() -> None:
    phases = Pretraining(MatrixFactorization(Sizes(3, 4)), periods=3, epochs=2).phases(nothing, nothing, nothing)
    assert [(p.name, p.period, p.repeat, p.trains, p.reading.periods) for p in phases] == [
        ("pretrain", 3, 0, True, (1, 2, 3)),
        ("select", 3, 0, False, (4,)),
        ("pretrain", 3, 1, True, (1, 2, 3)),
        ("select", 3, 1, False, (4,)),
    ]


def test_an_epochs_end_knows_its_number() -> None:
    ended: list[int] = []
    for phase in Pretraining(MatrixFactorization(Sizes(3, 4)), 1, 3).phases(nothing, nothing, ended.append):
        phase.end()
    assert ended == [0, 1, 2]


def test_a_given_model_leaves_nothing_to_pretrain() -> None:
    given = Pretraining(MatrixFactorization(Sizes(3, 4)), 3, 2, given="base.ckpt")
    assert given.phases(nothing, nothing, nothing) == []
