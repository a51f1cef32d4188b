"""Serving packages that are damaged, lack a file, or name what they must not are refused by name."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from serving.small import SIZES, changed, contents, files, head, package

from asmg_pl.errors import PackageError
from asmg_pl.recommenders import (
    EmbeddingMLP,
    Hashed,
)
from asmg_pl.serving import Package, open_package
from asmg_pl.serving.contents import kinds
from asmg_pl.serving.intact import CHECKED


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
