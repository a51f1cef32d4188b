"""Item vectors find the items that the scorer recommends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from serving.formats.packages import BARE, FEATURED, FULL, package_of
from serving.formats.test_formats import Build, loaded
from slowness import slow_but

from asmg_pl.data import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import DotProduct, EmbeddingMLP, Hashed, MatrixFactorization, TwoTower
from asmg_pl.serving import Package, open_package, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.formats import write_formats
from asmg_pl.serving.given import Given
from asmg_pl.serving.scorer import Scorer

TOWERS: dict[str, Build] = {
    "TwoTower": TwoTower,
    "MatrixFactorization": MatrixFactorization,
    "Hashed": partial(Hashed, recommender=TwoTower, users=7),
}


def asked(package: Package, users: list[int]) -> dict[str, np.ndarray]:
    """The rows of users with their own histories, as the user's program takes them."""
    places, sizes = package.manifest.history_size, package.sizes
    past = [package.history.of(user)[:places] for user in users]
    rows = {
        "user": np.array(users),
        "history": np.array([np.pad(each, (0, places - len(each))) for each in past], np.int64),
        "history_length": np.array([len(each) for each in past]),
    }
    if sizes.context:
        rows["context"] = np.zeros((len(users), len(sizes.context)), np.int64)
    if sizes.numbers:
        rows["numbers"] = np.ones((len(users), len(sizes.numbers)), np.float32)
    if sizes.lists:
        rows["lists"] = np.zeros((len(users), len(sizes.lists), 1), np.int64)
    return rows


def first_values(package: Package) -> dict[str, Given]:
    """The features of :func:`asked`, by names; those of items are the package's."""
    sizes = package.sizes
    found: dict[str, Given] = {
        name: package.ids(f"context-{n}").name(0) for n, name in enumerate(package.manifest.context)
    }
    found |= {each.name: 1.0 for each in sizes.numbers}
    found |= {each.name: [package.ids(f"list-{n}").name(0)] for n, each in enumerate(sizes.lists)}
    of_items = [each.name for each in (*sizes.context_features, *sizes.numbers, *sizes.lists) if each.side == "item"]
    return {name: value for name, value in found.items() if name not in of_items}


@pytest.mark.parametrize(
    ("name", "sizes"),
    slow_but([("TwoTower", FEATURED)], product(TOWERS, [FULL, BARE, FEATURED])),
)
def test_an_index_of_the_vectors_finds_what_the_scorer_recommends(name: str, sizes: Sizes, tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")
    package = package_of(TOWERS[name], tmp_path, sizes)
    differences = write_formats(package, tmp_path / "out", ["vectors"])
    assert list(differences) == ["vectors/user.pt2"]
    items = pl.read_parquet(tmp_path / "out" / "vectors" / "items.parquet")
    vectors = items["vector"].to_numpy()
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    users = [0, 3, 19]
    query, offset = loaded(tmp_path / "out" / "vectors" / "user.pt2")(asked(package, users))
    products, places = index.search(query, 10)
    scorer = Scorer(package)
    for row, user in enumerate(users):
        found = [items["name"][int(place)] for place in places[row]]
        scores = scorer.score(package.ids("user").name(user), found, context=first_values(package))
        np.testing.assert_allclose(products[row] + offset[row], scores.logits, atol=1e-4)
        every = package.ids("item").names(range(sizes.items))
        best = scorer.score(package.ids("user").name(user), every, context=first_values(package)).logits
        np.testing.assert_allclose(np.sort(best)[:-11:-1], scores.logits, atol=1e-4)


def test_the_array_has_the_vectors_of_the_table(tmp_path: Path) -> None:
    write_formats(package_of(TwoTower, tmp_path), tmp_path / "out", ["vectors"])
    array = np.load(tmp_path / "out" / "vectors" / "items.npy")
    table = pl.read_parquet(tmp_path / "out" / "vectors" / "items.parquet")
    assert array.dtype == np.float32
    assert np.array_equal(table["vector"].to_numpy(), array)
    names = pl.read_parquet(tmp_path / "out" / "ids" / "item.parquet")
    assert table["name"].equals(names["name"])


@pytest.mark.parametrize("head", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_with_a_head_the_vectors_order_items_as_far_as_the_head_sets_no_limit(head: int, tmp_path: Path) -> None:
    package = package_of(MatrixFactorization, tmp_path, BARE, head=head)
    write_formats(package, tmp_path / "out", ["vectors"])
    vectors = np.load(tmp_path / "out" / "vectors" / "items.npy")
    query, offset = loaded(tmp_path / "out" / "vectors" / "user.pt2")(asked(package, [3]))
    every = package.ids("item").names(range(BARE.items))
    logits = Scorer(package).score(package.ids("user").name(3), every).logits
    free = np.ones(BARE.items, bool)
    if head == 2:
        first, second = (plain_logits(package, name) for name in package.manifest.models)
        free = np.abs(second - first) < 1
        assert not free.all()  # the head limits some
    assert free.sum() > 20
    np.testing.assert_allclose((vectors @ query[0] + offset[0])[free], logits[free], atol=1e-4)


def plain_logits(package: Package, name: str) -> np.ndarray:
    """What one of the models gives user 3 and all items."""
    model = package.model(name)
    user, items = model.table("user")[3], model.table("item")[: BARE.items]
    return ((items[:, :-1] @ user[:-1]) + user[-1] + items[:, -1]).numpy()


def test_a_recommender_without_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EmbeddingMLP does not score by a dot product"):
        write_formats(package_of(EmbeddingMLP, tmp_path), tmp_path / "out", ["vectors"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [TwoTower, MatrixFactorization])
def test_vectors_and_offsets_make_the_logit(kind: type[TwoTower], tmp_path: Path) -> None:
    from asmg_pl.recommenders import Lookup
    from asmg_pl.testing.samples import sample_batch

    sizes = Sizes(7, 9, 3, context=(2, 4))
    model, batch = kind(sizes), sample_batch(sizes)
    assert isinstance(model, DotProduct)
    lookups = {name: Lookup(model.table(name), ids) for name, ids in model.lookups(batch).items()}
    vectors = model.user_vectors(batch, lookups) * model.item_vectors(batch, lookups)
    torch.testing.assert_close(vectors.sum(1) + model.offsets(batch, lookups), model(batch))


def test_where_ids_come_and_go_vectors_are_those_of_items_with_a_row_and_programs_know_the_others(
    tmp_path: Path,
) -> None:
    sizes, tenants = Sizes(users=6, items=9), {"item": np.array([1, 4, 5], np.int32)}
    drawn = drawn_contents(MatrixFactorization, sizes)
    state = dict(drawn.models["serving"])
    table = state["tables.item.weight"]
    assert isinstance(table, torch.Tensor)
    state["tables.item.weight"] = table[torch.from_numpy(tenants["item"]).long()]
    write(replace(drawn, models={"serving": state}, tenants=tenants), tmp_path / "package")
    package = open_package(tmp_path / "package")
    write_formats(package, tmp_path / "out", ["vectors"])
    items = pl.read_parquet(tmp_path / "out/vectors/items.parquet")
    assert items["name"].to_list() == ["item-1", "item-4", "item-5"]
    vectors = np.load(tmp_path / "out/vectors/items.npy")
    np.testing.assert_array_equal(items["vector"].to_numpy(), vectors)
    user, offset = loaded(tmp_path / "out/vectors/user.pt2")(asked(package, [2]))
    expected = Scorer(package).score("user-2", items["name"].to_list()).logits
    np.testing.assert_allclose(vectors @ user[0] + offset, expected, atol=1e-5)
