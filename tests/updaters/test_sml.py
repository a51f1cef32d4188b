"""SML: stages, what each of them moves, and that only touched rows are transferred."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import Walk
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import MatrixFactorization
from asmg_pl.updaters import SML

SIZES = Sizes(60, 80, 4)


def batch(ids_below: int = 60) -> Batch:
    draw = torch.Generator().manual_seed(0)
    user, item = torch.randint(ids_below, (2, 8), generator=draw)
    history = torch.randint(ids_below, (8, 3), generator=draw)
    length = torch.randint(4, (8,), generator=draw)
    categories = torch.randint(-1, SIZES.categories, (SIZES.items, 2), generator=draw)
    return Batch(user, item, history, length, torch.randint(2, (8,), generator=draw).float(), categories)


def different(**options: Any) -> SML:
    """An updater whose w and ŵ differ."""
    torch.manual_seed(1)
    updater = SML(SIZES, **options)
    with torch.no_grad():
        for parameter in updater.before.parameters():
            parameter.normal_(std=0.3)
    return updater


def stepping_alone(updater: SML) -> list[torch.optim.Optimizer]:
    """Let the updater take steps with its own optimisers outside of a trainer."""
    optimizers = updater.configure_optimizers()

    def step_optimizer(which: int, loss: Tensor) -> None:
        optimizers[which].zero_grad()
        loss.backward()
        optimizers[which].step()

    updater.step_optimizer = step_optimizer  # type: ignore[method-assign, assignment]
    return optimizers


def copies(*modules: nn.Module) -> list[list[Tensor]]:
    return [[p.detach().clone() for p in module.parameters()] for module in modules]


def same(before: list[Tensor], after: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_transfer_is_trained_on_new_rows_before_the_base_model_and_not_in_the_first_period() -> None:
    updater = SML(SIZES, passes=2, transfer_passes=3)
    names = [(phase.name, phase.reading.periods) for phase in updater.plan(11)]
    assert names == [("score", (11,)), ("update", (11,)), ("update", (11,))]
    names = [(phase.name, phase.reading.periods) for phase in updater.plan(12)]
    assert names == [("score", (12,)), *[("transfer", (12,))] * 3, *[("update", (12,))] * 2]


@pytest.mark.parametrize("recommender", [None, MatrixFactorization])
def test_the_loss_of_touched_rows_is_that_of_the_whole_transferred_model(recommender: Any) -> None:
    updater, rows = different(**({"recommender": recommender} if recommender else {})), batch()
    updater.make_serving()
    expected = F.binary_cross_entropy_with_logits(updater.serving(rows), rows.label)
    torch.testing.assert_close(updater.loss(rows), expected, atol=1e-6, rtol=0)


def test_rows_that_the_batch_does_not_ask_for_have_no_part_in_a_step() -> None:
    updater, rows = different(), batch(ids_below=20)
    loss = updater.loss(rows)
    for name in ("user", "item"):
        updater.before.table(name).data[20:] = 1e6
        updater.recommender.table(name).data[20:] = 1e6
    again = updater.loss(rows)
    assert torch.equal(loss, again)
    again.backward()
    gradient = updater.recommender.table("user").grad
    assert gradient is not None
    assert gradient[:20].any()
    assert not gradient[20:].any()


def test_each_stage_moves_its_own_parameters_only() -> None:
    updater, rows = different(), batch()
    stepping_alone(updater)
    parts = (updater.recommender, updater.transfer, updater.before)
    start = copies(*parts)
    updater.update(rows)
    updated = copies(*parts)
    assert [same(a, b) for a, b in zip(start, updated, strict=True)] == [False, True, True]
    updater.train_transfer(rows)
    transferred = copies(*parts)
    assert [same(a, b) for a, b in zip(updated, transferred, strict=True)] == [True, False, True]
    assert all(p.requires_grad for part in parts[:2] for p in part.parameters())


def test_after_its_stage_the_transferred_parameters_are_the_base_parameters_and_their_moments_stay() -> None:
    updater = different()
    optimizers = stepping_alone(updater)
    updater.update(batch())
    moments = copy.deepcopy(optimizers[0].state_dict())
    updater.make_serving()
    (expected,) = copies(updater.serving)
    updater.adopt()
    for model in (updater.recommender, updater.before, updater.serving):
        assert same(copies(model)[0], expected)
    for state, before in zip(optimizers[0].state_dict()["state"].values(), moments["state"].values(), strict=True):
        assert before["exp_avg"].any()
        assert all(torch.equal(state[key], before[key]) for key in before)


def test_chunks_of_rows_change_nothing() -> None:
    whole, parts = different(), different(chunk_rows=7)
    for updater in (whole, parts):
        updater.make_serving()
    for a, b in zip(whole.serving.parameters(), parts.serving.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_a_walk_serves_the_transfer_of_the_two_models(short_walk: Walk) -> None:
    updater = short_walk(SML)
    assert isinstance(updater, SML)
    assert not same(*copies(updater.before, updater.recommender))
    (served,) = copies(updater.serving)
    updater.make_serving()
    assert same(copies(updater.serving)[0], served)
    first = short_walk(SML, until=2)
    assert isinstance(first, SML)
    assert same(*copies(first.serving, first.recommender)), "the pre-trained model serves first"


@pytest.mark.parametrize("name", ["transfer_passes", "chunk_rows", "transfer_learning_rate"])
def test_settings_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{name} must be"):
        SML(SIZES, **{name: 0})  # type: ignore[arg-type]
