"""Serving packages: what is written is what is opened."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from serving.small import ITEMS, SIZES, USERS, changed, contents, files, head, lists, package

from asmg_pl.data import Batch, Sizes
from asmg_pl.data.sizes import Feature
from asmg_pl.errors import ConfigError, DataError
from asmg_pl.recommenders import (
    DIN,
    DLRM,
    DCNv2,
    DeepFM,
    EmbeddingMLP,
    GRU4Rec,
    Hashed,
    MatrixFactorization,
    Recommender,
    SASRec,
    TwoTower,
)
from asmg_pl.serving import load, open_package, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.headed import Headed
from asmg_pl.testing.samples import sample_batch

MODELS: dict[str, Callable[[], Recommender]] = {
    "mlp": lambda: EmbeddingMLP(SIZES, 4, hidden=[3]),
    "deep_fm": lambda: DeepFM(SIZES, embedding_dim=3),
    "dcn_v2": lambda: DCNv2(SIZES, embedding_dim=3, hidden=[4]),
    "dlrm": lambda: DLRM(SIZES, embedding_dim=3),
    "mf": lambda: MatrixFactorization(SIZES),
    "two_tower": lambda: TwoTower(SIZES, output_dim=2),
    "din": lambda: DIN(SIZES, activation_hidden=[3]),
    "sasrec": lambda: SASRec(SIZES, embedding_dim=4, places=3),
    "gru4rec": lambda: GRU4Rec(SIZES, embedding_dim=4),
    "hashed": lambda: Hashed(SIZES, TwoTower, users=3),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_package_gives_the_logits_of_its_model(name: str, tmp_path: Path) -> None:
    model, batch = MODELS[name](), sample_batch(SIZES)
    opened = open_package(package(tmp_path / "package", model=model))
    found = opened.served()
    assert not any(parameter.requires_grad for parameter in found.parameters())
    categories = batch.categories
    torch.testing.assert_close(found(batch), model(batch))
    assert categories is not None
    unknown = batch._replace(
        user=torch.full_like(batch.user, SIZES.users), item=torch.full_like(batch.item, SIZES.items)
    )
    assert found(unknown._replace(categories=opened.catalogue)).isfinite().all(), "unknown ids have rows too"


def test_the_row_of_unknown_ids_is_the_mean_of_the_others(tmp_path: Path) -> None:
    model = EmbeddingMLP(SIZES, 2)
    opened = open_package(package(tmp_path / "package", model=model))
    table = opened.array("parameters/serving/tables.user.weight")
    np.testing.assert_allclose(table[-1], model.table("user").detach().mean(0).numpy(), atol=1e-7)
    hashed = open_package(package(tmp_path / "hashed", model=Hashed(SIZES, users=3)))
    assert len(hashed.array("parameters/serving/tables.user.weight")) == 3, "a bucket stands for unknown users too"


@pytest.mark.parametrize("count", [1, 2])
def test_a_head_answers_on_its_models(count: int, tmp_path: Path) -> None:
    models = {name: EmbeddingMLP(SIZES, 2) for name in ("incremental", "generated")[:count]}
    states = {name: model.state_dict() for name, model in models.items()}
    opened = open_package(package(tmp_path / "package", models=states, head=head(count)))
    batch = sample_batch(SIZES)
    torch.testing.assert_close(opened.served()(batch), Headed(models, head(count))(batch))


def test_everything_else_is_opened_as_it_was_written(tmp_path: Path) -> None:
    opened = open_package(package(tmp_path / "package", choice={"served": "generated", "why": "better"}))
    assert opened.ids("user").find(["cem", "nobody", "ann"]).tolist() == [2, -1, 0]
    assert opened.ids("user").names(range(4)) == USERS
    assert opened.ids("item").names(range(5)) == ITEMS
    assert [opened.history.of(user).tolist() for user in range(4)] == [[3, 1], [], [0], [4, 4, 2]]
    assert [opened.seen.of(user).tolist() for user in range(4)] == [[1, 3], [], [0], [2, 4]]
    assert opened.popularity.tolist() == [0, 1, 2, 3, 4]
    assert opened.catalogue is not None
    assert opened.catalogue.tolist() == [[0, 1], [2, -1], [-1, -1], [1, -1], [0, -1], [-1, -1]]
    assert pl.read_parquet(tmp_path / "package" / "ids" / "item.parquet")["name"].to_list() == ITEMS
    manifest = opened.manifest
    assert (manifest.context, manifest.history_size, manifest.sizes) == (("device",), 3, SIZES)
    assert manifest.choice == {"served": "generated", "why": "better"}
    assert [each["role"] for each in manifest.features] == ["user", "item", "category", "context"]


def test_a_package_needs_nothing_of_its_place(tmp_path: Path) -> None:
    package(tmp_path / "package")
    shutil.move(tmp_path / "package", tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "copy")
    for name in ("elsewhere", "copy"):
        assert open_package(tmp_path / name).name == name


def test_a_stream_without_categories_context_or_history_is_packaged(tmp_path: Path) -> None:
    sizes = Sizes(users=1, items=1)
    nothing = {"catalogue": None, "context": (), "names": {"user": [7], "item": ["only"]}, "history_size": 0}
    empty = {"history": lists([]), "seen": lists([]), "popularity": np.zeros(1, np.float32)}
    opened = open_package(package(tmp_path / "p", model=EmbeddingMLP(sizes, 2), sizes=sizes, **nothing, **empty))
    assert opened.catalogue is None
    none = torch.zeros(1, 0, dtype=torch.int64)
    first = torch.zeros(1, dtype=torch.int64)
    assert opened.served()(Batch(first, first, none, first, torch.ones(1))).isfinite()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": {"user": USERS}}, "no names of item"),
        ({"names": {**contents().names, "user": ["ann"]}}, "1 names of user, and 4 ids"),
        ({"names": {**contents().names, "user": ["ann", "bob", "ann", "dee"]}}, "have one key"),
        ({"tenants": {"user": np.zeros(3, bool)}}, "tenants of user"),
        ({"tenants": {"nobody": np.zeros(4, np.int32)}}, "tenants of nobody"),
        ({"popularity": np.zeros(3, np.float32)}, "popularity has 3 entries"),
        ({"catalogue": None}, "3 categories"),
        ({"catalogue": np.zeros((2, 1), np.int32)}, "2 rows"),
        ({"history_size": 1}, "longer than history_size"),
        ({"history": lists([1])}, "history do not cut"),
        ({"context": ()}, "0 context features"),
        ({"models": {"serving": {}}}, "differ in"),
    ],
)
def test_contents_that_do_not_fit_together_are_refused_and_nothing_is_left(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        write(contents(**change), tmp_path / "package")
    assert not [*tmp_path.iterdir()]


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    model = EmbeddingMLP(SIZES, 2)
    one, other = (package(tmp_path / name, model=model) for name in ("one", "other"))
    assert [path.relative_to(one) for path in files(one)] == [path.relative_to(other) for path in files(other)]
    for path in files(one):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_a_package_of_version_1_which_does_not_name_its_features_answers_as_before(tmp_path: Path) -> None:
    write(drawn_contents(EmbeddingMLP, Sizes(5, 9, 3, context=(2, 4))), tmp_path / "package")
    context = {"context-0": "context-0-1", "context-1": "context-1-3"}
    expected = load(tmp_path / "package").score("user-1", ["item-2"], context=context)

    def former(content: dict[str, Any]) -> None:
        content["version"] = 1
        for name in ("context_features", "numbers", "lists", "labels"):
            del content["recommender"]["sizes"][name]

    changed(tmp_path / "package", former)
    assert "tables.context_0.weight" in open_package(tmp_path / "package").model("serving").state_dict()
    found = load(tmp_path / "package").score("user-1", ["item-2"], context=context)
    assert not found.unknown
    assert found.logits.tolist() == expected.logits.tolist()


def test_a_package_knows_which_numbers_are_scaled_by_their_logarithm(tmp_path: Path) -> None:
    sizes = SIZES._replace(numbers=(Feature("price", log=True), Feature("age")))
    model = EmbeddingMLP(sizes, embedding_dim=2)
    opened = open_package(package(tmp_path / "package", model=model, sizes=sizes))
    assert opened.manifest.sizes == sizes
    written = json.loads((tmp_path / "package" / "package.json").read_text())["recommender"]["sizes"]["numbers"]
    assert written == [["price", "row", 0, True], ["age", "row", 0]]
    served = opened.served()
    assert isinstance(served, EmbeddingMLP)
    numbers = torch.tensor([[99.0, 7.0]])
    assert torch.equal(served.numbers.scaled(numbers), model.numbers.scaled(numbers))
    assert served.numbers.scaled(numbers)[0, 0, 0] == pytest.approx(math.log(100))
