"""Hashed ids: tables of a fixed size around any recommender."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Hashed, MatrixFactorization, Recommender, TwoTower
from asmg_pl.recommenders.hashed import bucket_of

SIZES = Sizes(users=60, items=90, categories=4, context=(3,))
RECOMMENDERS = [EmbeddingMLP, DeepFM, TwoTower, MatrixFactorization]


def batch(rows: int = 40) -> Batch:
    draw = torch.Generator().manual_seed(0)
    user, item, history, length, categories, context = (
        torch.randint(low, high, shape, generator=draw)
        for low, high, shape in [
            *((0, 60, (rows,)), (0, 90, (rows,)), (0, 90, (rows, 5)), (0, 6, (rows,))),
            *((-1, 4, (90, 2)), (0, 3, (rows, 1))),
        ]
    )
    return Batch(user, item, history, length, user % 2.0, categories, context)


def hashed(recommender: type[Recommender] = EmbeddingMLP, sizes: Sizes = SIZES, **options: int) -> Hashed:
    torch.manual_seed(0)
    return Hashed(sizes, recommender, **options)


def scores_with_spread_tables(model: Hashed, rows: Batch) -> Tensor:
    """Scores of the plain model that has each bucket's vector once for every id in it."""
    kind = type(model.model)
    plain = kind(SIZES)
    plain.load_state_dict(model.model.state_dict(), strict=False)
    for name, table in model.table_parameters().items():
        spread = table.detach()
        for prefix, buckets, count in (("user", 7, SIZES.users), ("item", 13, SIZES.items)):
            if name.startswith(prefix):
                spread = spread[bucket_of(torch.arange(count), buckets)]
        plain.table(name).data.copy_(spread)
    return plain(rows)


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_who_shares_a_bucket_shares_its_vector_and_an_item_keeps_its_own_categories(
    recommender: type[Recommender],
) -> None:
    model, rows = hashed(recommender, users=7, items=13), batch()
    torch.testing.assert_close(model(rows), scores_with_spread_tables(model, rows))


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_no_table_of_users_or_items_grows_with_the_stream(recommender: type[Recommender]) -> None:
    for sizes in (SIZES, SIZES._replace(users=6000, items=9000)):
        model = hashed(recommender, sizes, users=7, items=13)
        rows = {name.split("_")[0]: len(table) for name, table in model.table_parameters().items()}
        assert (rows["user"], rows["item"]) == (7, 13)
        assert rows.get("category", 4) == 4


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_each_parameter_is_there_once(recommender: type[Recommender]) -> None:
    model, inner = hashed(recommender, users=7, items=13), recommender(SIZES._replace(users=7, items=13))
    assert len(model.state_dict()) == len(inner.state_dict()) == len(list(model.parameters()))
    assert {f"model.{name}" for name in inner.dense_parameters()} == model.dense_parameters().keys()
    assert inner.table_parameters().keys() == model.table_parameters().keys()


def test_what_is_not_hashed_keeps_a_row_for_each_id() -> None:
    rows = batch()
    users, items = hashed(users=7).lookups(rows), hashed(items=13).lookups(rows)
    assert torch.equal(users["item"], torch.cat([rows.item[:, None], rows.history], dim=1))
    assert torch.equal(items["user"], rows.user)
    assert int(users["user"].max()) < 7
    assert int(items["item"].max()) < 13


def test_a_mini_batch_is_left_as_it_is() -> None:
    rows, same = batch(), batch()
    hashed(MatrixFactorization, users=7, items=13).lookups(rows)
    assert torch.equal(rows.user, same.user)
    assert torch.equal(rows.item, same.item)


def test_buckets_are_those_of_splitmix64() -> None:
    def finaliser(value: int) -> int:
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = (value ^ value >> shift) * factor % 2**64
        return value ^ value >> 31

    ids = [0, 1, 2, 31, 2**31 - 1]
    for seed in (0, 5, 2**40):
        expected = [finaliser(id_ + (1 + seed * 0x9E3779B9) % 2**63) % 2**63 % 1000 for id_ in ids]
        assert bucket_of(torch.tensor(ids), 1000, seed).tolist() == expected


def test_ids_spread_evenly_and_otherwise_with_another_seed() -> None:
    ids = torch.arange(64_000)
    for seed in (0, 1, 12345):
        counts = bucket_of(ids, 64, seed).bincount(minlength=64)
        chi_square = float(((counts - 1000.0) ** 2 / 1000).sum())
        assert 30 < chi_square < 110  # 63 degrees of freedom
    assert 0.005 < (bucket_of(ids, 64, 0) == bucket_of(ids, 64, 1)).double().mean() < 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "both missing"),
        ({"users": 0}, r"recommender\.users must be at least 1, got 0"),
        ({"items": -1}, r"recommender\.items must be at least 1, got -1"),
    ],
)
def test_impossible_sizes_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Hashed(SIZES, **options)  # type: ignore[arg-type]


def test_a_model_without_such_a_table_is_refused() -> None:
    class Anonymous(MatrixFactorization):
        def __init__(self, sizes: Sizes) -> None:
            super().__init__(sizes)
            del self.tables["user"]

    with pytest.raises(ConfigError, match="Anonymous has no table whose name begins with 'user', only item: leave it"):
        Hashed(SIZES, partial(Anonymous), users=3)
