"""Lookups against a plain gather and sum, and the Glorot initialisation."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders import Lookup, Recommender
from asmg_pl.recommenders.base import glorot_uniform_

#: Table rows on both sides of the 12 ids that a row of SHAPE has: small, as small as can be, and big tables.
ROWS = [5, 12, 13, 400]
SHAPE = (6, 4, 3)


def draw(
    rows: int, dtype: torch.dtype = torch.float64, shape: tuple[int, ...] = SHAPE
) -> tuple[Tensor, Tensor, Tensor]:
    """A table with gradient, ids with repetitions, and weights of any sign with zeros among them."""
    source = torch.Generator().manual_seed(rows)
    table = torch.randn(rows, 8, generator=source, dtype=dtype).requires_grad_()
    ids = torch.randint(rows, shape, generator=source)
    ids[:, 1] = ids[:, 0]
    weights = torch.randn(shape, generator=source, dtype=dtype)
    weights[0] = 0
    return table, ids, weights


def gather_and_sum(table: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    return (table[ids] * weights[..., None]).flatten(1, -2).sum(1)


def test_vectors_are_the_rows_asked_for() -> None:
    table, ids, _ = draw(20)
    vectors = Lookup(table, ids).vectors()
    assert vectors.shape == (*SHAPE, 8)
    assert torch.equal(vectors, table[ids])


@pytest.mark.parametrize("columns", [0, 2, slice(1, None), slice(0, 0)])
def test_columns_are_columns_of_the_ids(columns: int | slice) -> None:
    table, ids, _ = draw(20)
    assert torch.equal(Lookup(table, ids).columns(columns).vectors(), table[ids[:, columns]])


@pytest.mark.parametrize("shape", [SHAPE, (6, 12)])
@pytest.mark.parametrize("rows", ROWS)
def test_a_weighted_sum_is_a_gather_and_a_sum(rows: int, shape: tuple[int, ...]) -> None:
    table, ids, weights = draw(rows, shape=shape)
    total = Lookup(table, ids).weighted_sum(weights)
    torch.testing.assert_close(total, gather_and_sum(table, ids, weights))
    assert (total[0] == 0).all()


@pytest.mark.parametrize("rows", [1, 30])
def test_a_weighted_sum_over_no_ids_is_zero(rows: int) -> None:
    table, _, _ = draw(rows)
    total = Lookup(table, torch.zeros(3, 0, dtype=torch.int64)).weighted_sum(torch.zeros(3, 0, dtype=torch.float64))
    assert torch.equal(total, torch.zeros(3, 8, dtype=torch.float64))


@pytest.mark.parametrize("rows", ROWS[:3])
def test_the_gradient_is_that_of_finite_differences(rows: int) -> None:
    table, ids, weights = draw(rows)
    assert torch.autograd.gradcheck(lambda t: Lookup(t, ids).weighted_sum(weights), (table,))


@pytest.mark.parametrize("rows", ROWS)
def test_the_float32_gradient_is_that_of_the_plain_version(rows: int) -> None:
    table, ids, weights = draw(rows, torch.float32)
    upstream = torch.randn(SHAPE[0], 8, generator=torch.Generator().manual_seed(0))
    (found,) = torch.autograd.grad(Lookup(table, ids).weighted_sum(weights), table, upstream)
    (plain,) = torch.autograd.grad(gather_and_sum(table, ids, weights), table, upstream)
    torch.testing.assert_close(found, plain)


@pytest.mark.parametrize(
    "rows",
    [5, 400],
)
def test_weights_that_are_learned_get_their_gradient(rows: int) -> None:
    table, ids, weights = draw(rows)
    weights.requires_grad_()
    assert torch.autograd.gradcheck(lambda w: Lookup(table, ids).weighted_sum(w), (weights,))


def test_a_big_table_keeps_no_vector_per_id_for_the_backward_pass() -> None:
    table, ids, weights = draw(400, torch.float32, shape=(6, 50))
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        Lookup(table, ids).weighted_sum(weights)
    assert max(kept) <= max(ids.numel(), table.numel())
    assert sum(kept) < ids.numel() * 8


@pytest.mark.parametrize("shape", [(30, 10), (10, 30), (400,)])
def test_glorot_fills_up_to_its_limit_on_both_sides(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    limit = (6 / 40) ** 0.5 if len(shape) == 2 else (6 / 800) ** 0.5
    tensor = torch.full(shape, 9.0)
    assert glorot_uniform_(tensor) is tensor
    assert tensor.abs().max() <= limit
    assert tensor.max() > 0.97 * limit
    assert tensor.min() < -0.97 * limit
    assert tensor.std() == pytest.approx(limit / 3**0.5, rel=0.1)


class Toy(Recommender):
    """The smallest recommender: a bias per item and a common one."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"item": nn.Embedding(4, 1)})
        self.tables_of_another_kind = nn.Linear(1, 1)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        logits: Tensor = self.tables_of_another_kind(lookups["item"].vectors()).squeeze(-1)
        return logits


def test_parameters_are_either_tables_or_dense() -> None:
    toy = Toy()
    assert toy.table_parameters() == {"item": toy.tables["item"].weight}
    assert list(toy.dense_parameters()) == ["tables_of_another_kind.weight", "tables_of_another_kind.bias"]


def test_given_lookups_take_the_place_of_the_own_tables() -> None:
    toy, ids = Toy(), torch.tensor([2, 0])
    batch = Batch(ids, ids, ids[:, None], ids, ids.float())
    other = torch.tensor([[5.0], [7.0]])
    dense = toy.tables_of_another_kind
    assert torch.equal(toy(batch), dense(toy.table("item")[ids]).squeeze(-1))
    assert torch.equal(toy(batch, {"item": Lookup(other, torch.tensor([1, 0]))}), dense(other.flip(0)).squeeze(-1))
