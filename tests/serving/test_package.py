"""Serving packages: what is written is what is opened; what is damaged, missing or strange is refused by name."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from serving.small import ITEMS, SIZES, USERS, changed, contents, head, lists, package

from asmg_pl.data import Batch, Sizes
from asmg_pl.data.sizes import Feature
from asmg_pl.errors import ConfigError, DataError, PackageError
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
from asmg_pl.serving import Package, load, open_package, write
from asmg_pl.serving.contents import kinds
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.headed import Headed
from asmg_pl.serving.intact import CHECKED
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


# ---- damage


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKED)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def flip_unnoticed(path: Path) -> None:
    """Change a byte, and put the time of the last change back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size - 1)
        last = file.read(1)
        file.seek(before.st_size - 1)
        file.write(bytes([last[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [flip, flip_unnoticed, cut, lengthen, empty, Path.unlink, make_folder])
def test_a_damaged_or_missing_file_is_refused_by_name(damage: Callable[[Path], None], tmp_path: Path) -> None:
    whole = package(tmp_path / "whole", head=head())
    open_package(whole)
    for path in files(whole):
        broken = tmp_path / "broken"
        shutil.copytree(whole, broken)
        open_package(broken)
        damage(broken / path.relative_to(whole))
        with pytest.raises(PackageError) as refused:
            open_package(broken)
        assert path.name in str(refused.value), refused.value
        shutil.rmtree(broken)


def test_swapped_files_are_refused_by_name(tmp_path: Path) -> None:
    folder = package(tmp_path / "package", names={**contents().names, "user": [1, 2, 3, 4]})
    one, other = folder / "history" / "offsets.npy", folder / "seen" / "offsets.npy"
    one.rename(folder / "aside")
    other.rename(one)
    (folder / "aside").rename(other)
    with pytest.raises(PackageError, match=r"offsets\.npy"):
        open_package(folder)


def test_a_file_of_another_package_is_refused(tmp_path: Path) -> None:
    first, second = package(tmp_path / "first"), package(tmp_path / "second", model=EmbeddingMLP(SIZES, 2))
    name = Path("parameters", "serving", "tables.item.weight.npy")
    shutil.copy(second / name, first / name)
    with pytest.raises(PackageError, match=r"tables\.item\.weight"):
        open_package(first)


def test_a_note_of_checked_files_that_is_damaged_is_written_anew(tmp_path: Path) -> None:
    folder = package(tmp_path / "package")
    for text in ("", "[]", "{", '{"popularity.npy": 3}'):
        (folder / CHECKED).write_text(text)
        open_package(folder)
    assert isinstance(json.loads((folder / CHECKED).read_text())["popularity.npy"], list)


def opened_wholly(folder: Path) -> Package:
    """Open a package, and everything in it."""
    opened = open_package(folder)
    opened.served()
    for array in (opened.popularity, opened.history, opened.seen, opened.catalogue):
        assert array is not None
    for kind in kinds(opened.sizes):
        opened.ids(kind)
    return opened


def values_in(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in nested mappings and lists."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield (*place, key)
        yield from values_in(value, (*place, key))


def put(content: Any, place: tuple[Any, ...], value: Any) -> None:
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = value


#: Values that may be anything: what a class is given, and what is only told.
FREE = {"provenance", "choice", "init_args", "checksum"}


@pytest.mark.parametrize("value", [None, -1, 1.5, "", [], {}, True, "../x", 2**70], ids=repr)
def test_a_manifest_with_wrong_types_is_refused_and_never_a_traceback(value: Any, tmp_path: Path) -> None:
    whole = package(tmp_path / "package", head=head())
    original = (whole / "package.json").read_text()
    for place in values_in(json.loads(original)):
        if FREE & {*place}:
            continue
        (whole / "package.json").write_text(original)
        changed(whole, lambda content, place=place: put(content, place, value))  # type: ignore[misc]
        if json.loads((whole / "package.json").read_text()) == json.loads(original):
            continue
        try:
            opened_wholly(whole)
        except PackageError as error:
            assert str(whole) in str(error) or "package" in str(error)  # noqa: PT017
        else:
            assert place[0] in ("context", "features", "models", "history_size", "head"), place


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.update(version=4), "version 4 of the format.*update asmg_pl"),
        (lambda content: content.update(version="1"), "its version is"),
        (lambda content: content.update(format="asmg stream"), "its format is not"),
        (lambda content: content["files"].update({"../x": {"bytes": 1, "sha256": ""}}), "outside the package"),
        (lambda content: content["files"].update({"/etc/passwd": {"bytes": 1, "sha256": ""}}), "outside the package"),
        (lambda content: content["files"].pop("popularity.npy"), "popularity"),
        (lambda content: content["recommender"]["init_args"].update(embedding_dim=3), "shape|float32"),
        (lambda content: content["recommender"]["init_args"].update(embedding_dim="x"), "cannot be built"),
        (lambda content: content["recommender"]["init_args"].update(nonsense=3), "cannot be built"),
        (lambda content: content["features"][0].update(kind="picture"), "'picture', which this program does not know"),
    ],
)
def test_a_manifest_of_another_package_is_refused(change: Any, words: str, tmp_path: Path) -> None:
    changed(package(tmp_path / "package"), change)
    with pytest.raises(PackageError, match=words):
        opened_wholly(tmp_path / "package")


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", '{"format": NaN}', "[" * 100_000, "\xff\xfe"])
def test_a_manifest_that_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (package(tmp_path / "package") / "package.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(PackageError, match=r"package\.json"):
        open_package(tmp_path / "package")


def test_a_manifest_whose_checksum_is_another_is_refused(tmp_path: Path) -> None:
    changed(package(tmp_path / "package"), lambda content: content.update(history_size=99), signed=False)
    with pytest.raises(PackageError, match="not what was written"):
        open_package(tmp_path / "package")


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(PackageError, match="is no serving package"):
            open_package(folder)


# ---- classes


def test_no_module_is_imported_that_the_caller_has_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_models.py").write_text(
        "from asmg_pl.recommenders import MatrixFactorization\n\nclass Mine(MatrixFactorization):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own_models = import_module("own_models")

    folder = package(tmp_path / "package", model=own_models.Mine(SIZES))
    del sys.modules["own_models"]
    for allow in ([], ["own_models"], ["own_models.Min"], ["own_models.Mine."], ["other."]):
        with pytest.raises(PackageError, match=r"--allow own_models\.Mine"):
            open_package(folder, allow)
        assert "own_models" not in sys.modules
    for allow in (["own_models.Mine"], ["own_models."]):
        assert type(open_package(folder, allow).served()).__name__ == "Mine"


@pytest.mark.parametrize(
    "path",
    ["os.system", "asmg_pl.recommenders.Recommender.__init__", "asmg_pl.recommenders.Lookup", "builtins.eval", "x", ""],
)
def test_a_class_that_is_no_recommender_is_refused(path: str, tmp_path: Path) -> None:
    changed(package(tmp_path / "package"), lambda content: content["recommender"].update(class_path=path))
    with pytest.raises(PackageError):
        open_package(tmp_path / "package")
    with pytest.raises(PackageError):
        open_package(tmp_path / "package", allow=[path])


def test_a_class_within_the_arguments_is_checked_too(tmp_path: Path) -> None:
    folder = package(tmp_path / "package", model=Hashed(SIZES, users=3))
    nested = {"recommender": {"class_path": "os.system", "init_args": {}}}
    changed(folder, lambda content: content["recommender"]["init_args"].update(nested))
    with pytest.raises(PackageError, match=r"os\.system"):
        open_package(folder)


# ---- writing


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
