"""Ids that come and go in a package: who has a row has a name, and all others are found, and scored, as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from serving.small import ITEMS, SIZES, USERS, changed, contents, head, share_rows

from asmg_pl.errors import ConfigError, PackageError
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Contents, load, open_package, write
from asmg_pl.serving.arrays import Rows, map_array
from asmg_pl.serving.ids import Ids, write_ids
from asmg_pl.serving.manifest import FileEntry

#: Who has a row: ann and cem, and two items.
TENANTS = {"user": np.array([0, 2], np.int32), "item": np.array([1, 4], np.int32)}


def come_and_go(tenants: dict[str, np.ndarray], whole: bool = False) -> Contents:
    """Contents of a package whose ids come and go.

    Args:
        tenants: who has a row.
        whole: whether tables have a row for each id, as in version 2 of the format: a copy of the shared one.
    """
    torch.manual_seed(0)
    model = EmbeddingMLP(SIZES, embedding_dim=2)
    state: dict[str, Any] = dict(model.state_dict())
    for kind, ids in tenants.items():
        table, shared = state[f"tables.{kind}.weight"], torch.full((1, 2), 0.25)
        own = table[torch.from_numpy(ids).long()]
        if whole:
            rows = shared.repeat(len(table), 1)
            rows[torch.from_numpy(ids).long()] = own
        else:
            rows = own
        of = Rows(tuple(rows.shape), rows.dtype, lambda rows=rows: [rows], shared)  # type: ignore[misc]
        state[f"tables.{kind}.weight"] = of
    return contents(model, models={"incremental": state}, tenants={} if whole else tenants, head=head())


def of_version_2(tenants: dict[str, np.ndarray], folder: Path) -> Path:
    """A package of the former version of the format, which has a row and a name for each id."""
    write(come_and_go(tenants, whole=True), folder)
    counts = {"user": SIZES.users, "item": SIZES.items}
    share_rows(folder, {kind: ~np.isin(np.arange(counts[kind]), ids) for kind, ids in tenants.items()})
    return folder


@pytest.mark.parametrize(
    "tenants", [TENANTS, {"item": TENANTS["item"]}, {"user": np.zeros(0, np.int32)}], ids=["both", "items", "no user"]
)
def test_who_has_no_row_is_answered_as_with_a_copy_of_the_shared_row_also_from_a_former_package(
    tenants: dict[str, np.ndarray], tmp_path: Path
) -> None:
    write(come_and_go(tenants), tmp_path / "package")
    ours, former = load(tmp_path / "package", verify=True), load(of_version_2(tenants, tmp_path / "former"))
    items = [*ITEMS, 99]
    for user in [*USERS, "nobody"]:
        for history in (None, [40, 10, 99], []):
            found, expected = (each.score(user, items, history, {"device": "desk"}) for each in (ours, former))
            np.testing.assert_allclose(found.logits, expected.logits, atol=1e-6, rtol=0)
            assert found.unknown == expected.unknown
            assert found.unknown.user == (user not in [USERS[i] for i in tenants.get("user", range(4))])
            assert found.unknown.items == (*(ITEMS[i] for i in range(5) if i not in tenants.get("item", range(5))), 99)
        found, expected = (each.recommend(user, 9, candidates=items) for each in (ours, former))
        assert (found.items, found.by, found.unknown) == (expected.items, expected.by, expected.unknown)
        for exclude_seen in (True, False):  # nobody is offered an item that has no name, unless they name it
            found, expected = (each.recommend(user, 9, exclude_seen=exclude_seen) for each in (ours, former))
            assert found.items == [item for item in expected.items if item not in expected.unknown.items]
            assert (found.by, found.unknown.items) == (expected.by, ())
    ours.prepare()


def test_a_package_has_the_rows_and_the_names_of_its_tenants_alone(tmp_path: Path) -> None:
    write(come_and_go(TENANTS), tmp_path / "package")
    package = open_package(tmp_path / "package")
    assert {kind: ids.tolist() for kind, ids in package.tenants.items()} == {"user": [0, 2], "item": [1, 4]}
    for kind in TENANTS:
        assert len(package.array(f"parameters/incremental/tables.{kind}.weight")) == 3
    assert bytes(package.array("ids/user.names")) == b"anncem"
    assert package.array("ids/item.names").tolist() == [-20, 50]
    assert package.ids("user").find(["dee", "cem", "eve"]).tolist() == [3, 2, -1]
    assert package.ids("item").names([4, 1]) == [50, -20]
    assert pl.read_parquet(tmp_path / "package/ids/user.parquet")["name"].to_list() == ["ann", None, "cem", None]
    assert json.loads((tmp_path / "package/package.json").read_text())["version"] == 3


def test_another_string_with_the_key_of_a_name_is_not_known(tmp_path: Path) -> None:
    write_ids(USERS, tmp_path / "user", TENANTS["user"])
    ends = np.load(tmp_path / "user.names.npy")
    ends[:3] = np.frombuffer(b"ANN", np.uint8)
    np.save(tmp_path / "user.names.npy", ends)
    ids = Ids(lambda part: map_array(tmp_path / f"user.{part}.npy"), strings=True, tenants=TENANTS["user"])
    assert ids.find(["ann", "bob", "cem"]).tolist() == [-1, 1, 2]
    assert [ids.find_one(name) for name in ("ann", "bob", "cem")] == [-1, 1, 2]


@pytest.mark.parametrize("wrong", [[2, 0], [0, 9], [-1, 2]], ids=["order", "large", "negative"])
def test_tenants_that_are_no_ids_in_their_order_are_refused(wrong: list[int], tmp_path: Path) -> None:
    strange = {"user": np.array(wrong, np.int32)}
    with pytest.raises(ConfigError, match="tenants of user"):
        write(contents(tenants=strange), tmp_path / "package")
    folder = tmp_path / "opened"
    write(come_and_go(TENANTS), folder)
    np.save(folder / "ids/user.tenants.npy", strange["user"])
    path = "ids/user.tenants.npy"
    changed(folder, lambda content: content["files"].update({path: FileEntry.of(folder / path)._asdict()}))
    with pytest.raises(PackageError, match=r"ids/user\.tenants"):
        load(folder)
