"""What a recommender starts from: neither tables nor dense parameters know how far the stream goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.shard import shard
from asmg_pl.errors import ConfigError
from asmg_pl.generators import GRUGenerator, RowGenerator
from asmg_pl.randomness import outlines
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Hashed, Lookup, MatrixFactorization, Recommender, TwoTower
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, Updater
from asmg_pl.updaters.rows.initial import NOMINAL, Draw, known_sizes, owners_draw, table_rows

KNOWN, SHORT, LONG = Sizes(70, 90, 5, (3,)), Sizes(80, 100, 6, (4,)), Sizes(700, 900, 20, (9,))
RECOMMENDERS: dict[str, Callable[[Sizes], Recommender]] = {
    **{kind.__name__: kind for kind in (EmbeddingMLP, DeepFM, TwoTower, MatrixFactorization)},
    "Hashed": partial(Hashed, items=17),
}


def seen(sizes: Sizes) -> Sizes:
    """The sizes of a stream of which pre-training sees ``KNOWN``."""
    return sizes._replace(past=lambda period: KNOWN)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_the_initial_model_of_a_longer_stream_has_more_rows_and_no_other_numbers(name: str) -> None:
    models = []
    for sizes in (SHORT, LONG):
        torch.manual_seed(4)
        models.append(IncrementalUpdate(seen(sizes), recommender=RECOMMENDERS[name]).recommender)
    short, long = models
    for table in short.tables:
        assert torch.equal(long.table(table)[: len(short.table(table))], short.table(table))
    assert len(long.table("user")) == 700
    for path, parameter in short.dense_parameters().items():
        assert torch.equal(long.dense_parameters()[path], parameter)


@pytest.mark.parametrize("method", [partial(ASMG, generator=GRUGenerator), SML])
def test_the_generators_and_transfers_first_weights_do_not_depend_on_the_tables(method: Callable[..., ASMG]) -> None:
    drawn = []
    for sizes in (SHORT, LONG):
        torch.manual_seed(4)
        learned = method(seen(sizes)).named_parameters()
        drawn.append({name: p for name, p in learned if name.startswith(("generator.", "transfer."))})
    assert drawn[0]
    assert all(torch.equal(drawn[1][name], value) for name, value in drawn[0].items())


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_tables_are_uniform_up_to_glorots_limit_for_the_rows_that_pretraining_sees(name: str) -> None:
    model = IncrementalUpdate(seen(LONG), recommender=RECOMMENDERS[name]).recommender
    known = table_rows(RECOMMENDERS[name], KNOWN)
    assert known["user"] == 70
    assert known["item"] == (17 if name == "Hashed" else 90)
    for table, weight in model.table_parameters().items():
        values = (weight[:, :-1] if name == "MatrixFactorization" else weight).detach()
        limit = (6 / (known[table] + values.shape[1])) ** 0.5
        assert values.abs().max() <= limit
        assert values.abs().max() > (1 - 20 / values.numel()) * limit
        if values.numel() > 100:
            assert float(values.std()) == pytest.approx(limit / 3**0.5, rel=0.15)
    if name == "MatrixFactorization":
        assert not model.table("user")[:, -1].any()


def test_other_seeds_and_tables_start_elsewhere() -> None:
    tables: list[Tensor] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        tables += IncrementalUpdate(Sizes(30, 30)).recommender.table_parameters().values()
    assert not any(torch.equal(one, two) for i, one in enumerate(tables) for two in tables[:i])


def test_without_pretraining_nothing_is_known_and_the_limit_is_that_of_a_table_of_a_nominal_size() -> None:
    assert known_sizes(LONG, 0) == Sizes(NOMINAL, NOMINAL, NOMINAL, (NOMINAL,))
    assert known_sizes(Sizes(5, 5), 0) == Sizes(NOMINAL, NOMINAL)
    model = IncrementalUpdate(LONG, pretrain_periods=0).recommender
    assert float(model.table("user").detach().abs().max()) == pytest.approx((6 / (NOMINAL + 8)) ** 0.5, rel=1e-2)


class Measuring(Recommender):
    """Looks at numbers while it is built, which a model without memory does not have; item vectors start at 1."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 2), "item": nn.Embedding(sizes.items, 2)})
        self.scale = nn.Parameter(torch.ones(1) / cast(nn.Embedding, self.tables["user"]).weight.std().item())
        if sizes.users == 13:
            raise ConfigError("13 users bring bad luck")

    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        if name == "item":
            return torch.ones(len(rows), width)
        return super().initial_rows(name, rows, width, known, seed)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        return self.scale * (lookups["user"].vectors() * lookups["item"].vectors()).sum(-1)


def test_a_recommender_that_reads_numbers_while_it_is_built_is_built_with_memory() -> None:
    model = IncrementalUpdate(Sizes(9, 4), recommender=Measuring).recommender
    assert torch.equal(model.table("item"), torch.ones(4, 2)), "its own rows to start from"
    assert table_rows(Measuring, Sizes(9, 4)) == {"user": 9, "item": 4}
    with pytest.raises(ConfigError, match="bad luck"):
        IncrementalUpdate(Sizes(13, 4), recommender=Measuring)


def test_looking_at_a_recommender_changes_no_random_state() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    IncrementalUpdate(Sizes(9, 4), recommender=Measuring)
    table_rows(Measuring, Sizes(9, 4))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_draw_fills_every_row_of_a_table_larger_than_a_chunk() -> None:
    model = MatrixFactorization(Sizes(70_000, 1), embedding_dim=1)
    Draw(0, {"user": 1, "item": 1}).fill(model)
    assert len(model.table("user")[:, 0].unique()) > 69_500
    alone = model.initial_rows("user", torch.tensor([69_999]), 2, 1, 0)
    assert torch.equal(model.table("user")[69_999:], alone)


def tensors(updater: Updater) -> dict[str, Tensor]:
    """All parameters and buffers by name."""
    return dict([*updater.named_parameters(), *updater.named_buffers()])


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("method", [partial(ASMG, generator=RowGenerator, window=2), SML])
def test_an_owners_numbers_are_those_of_whole_tables(
    monkeypatch: pytest.MonkeyPatch, method: Callable[..., Updater], rank: int
) -> None:
    monkeypatch.setattr(outlines, "LEAST", 60)

    def layouts(updater: Updater) -> dict[str, Layout]:
        rows = {name: len(table) for name, table in updater.recommender.table_parameters().items()}
        return {name: Layout(rows[name], 8, rank, 3) for name in ("user", "item")}

    torch.manual_seed(4)
    whole = method(seen(LONG))
    shard(whole, layouts(whole))
    torch.manual_seed(4)
    with owners_draw():
        own = method(seen(LONG))
    assert sum(tensor.is_meta for tensor in tensors(own).values()) >= 6
    shard(own, layouts(own))
    own.redraw(own.initial_draw)
    found, expected = tensors(own), tensors(whole)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_recommender_that_needs_its_tables_numbers_has_whole_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    class Looking(MatrixFactorization):
        def __init__(self, sizes: Sizes) -> None:
            super().__init__(sizes)
            self.largest = float(self.stored("user").detach().max())

    monkeypatch.setattr(outlines, "LEAST", 60)
    with owners_draw():
        made = IncrementalUpdate(seen(LONG), recommender=Looking)
    assert not any(parameter.is_meta for parameter in made.parameters())
