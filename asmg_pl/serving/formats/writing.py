"""Writes a serving package's model in other programs' formats, each checked against the scorer before it appears.

FOLDER/formats.json              what inputs, outputs and files are
model.pt2                 for torch.export.load
model.onnx                for onnxruntime and others; with more than 1 GiB of numbers, model.onnx.data too
vectors/items.parquet     the items' vectors, and items.npy without names
vectors/user.pt2, .onnx   the user's vector
ids/user.parquet, …       the names of the row numbers
history/                  each user's latest items, as in the package
features/                 the latest values of users' and items' features, as in the package
example.py                from names to probabilities, with model.onnx
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asmg_pl.data.sizes import Feature
from asmg_pl.errors import FormatError
from asmg_pl.serving.contents import kinds
from asmg_pl.serving.formats.checking import TOLERANCE, Sample
from asmg_pl.serving.formats.names import check_formats, check_recommender
from asmg_pl.serving.formats.plain import PlainModel, PlainRows
from asmg_pl.serving.formats.programs import Rows, Run, exported, write_onnx, write_pt2
from asmg_pl.serving.formats.towers import PlainUser, Towers
from asmg_pl.serving.formats.vectors import write_item_vectors
from asmg_pl.serving.package import Package
from asmg_pl.serving.values import StoredValues
from asmg_pl.system.files import storage_reason, sync, written_whole

FILE, FORMAT, VERSION = "formats.json", "asmg serving formats", 1

_WRITERS: dict[str, Callable[..., Run]] = {"pt2": write_pt2, "onnx": write_onnx}

_EXAMPLE = Path(__file__).with_name("example.py")


def write_formats(package: Package, folder: str | Path, formats: Sequence[str]) -> dict[str, float]:
    """Write a package's model in other programs' formats.

    The folder appears when everything in it has been checked.

    Args:
        package: whose model it is.
        folder: where the files go; an older folder is replaced.
        formats: one or more of :data:`~asmg_pl.serving.formats.names.FORMATS`. With ``"vectors"``, the program of the
            user's vector has each of the other formats, and ``"pt2"`` if there is none.

    Returns:
        For each program, by its path in the folder, the largest difference of a probability from the scorer's.

    Raises:
        ConfigError: if a format is not known, its packages are missing, or the recommender has no vectors.
        FormatError: if a program cannot be made, or its probabilities differ too much.
        StorageError: if the disk is full or fails.
    """
    check_formats(formats)
    served = package.served()
    check_recommender(served, formats)
    towers = Towers(served) if "vectors" in formats else None  # which refuses a recommender without vectors
    rows = PlainRows(package.sizes, package.manifest.history_size, package.catalogue)
    sample = Sample.of(package)
    with written_whole(Path(folder)) as partial:
        partial.mkdir()
        kind = package.manifest.class_path.rpartition(".")[2]
        writing = _Writing(partial, [each for each in formats if each in _WRITERS], kind)
        writing.program("model", PlainModel(served, rows), ("logit", "probability"), sample, lambda _, out: out[1])
        if towers is not None:
            (partial / "vectors").mkdir()
            _write_vectors(writing, package, towers, sample)
        _copy(package, partial)
        (partial / FILE).write_text(
            json.dumps(_described(package, partial, writing), indent=1) + "\n", encoding="utf-8"
        )
        for path in partial.rglob("*"):
            sync(path)
    return writing.differences


@dataclass
class _Writing:
    """Programs that are being written into a folder, and how well they agree with the scorer."""

    folder: Path
    formats: Sequence[str]
    recommender: str
    differences: dict[str, float] = field(default_factory=dict)

    def program(
        self,
        name: str,
        module: nn.Module,
        outputs: Sequence[str],
        sample: Sample,
        probability: Callable[[Rows, list[np.ndarray]], np.ndarray],
        tolerance: float = TOLERANCE,
    ) -> None:
        """Write a module in each format, and check each.

        Args:
            name: the path of the files in the folder, without ending.
            module: of plain tensors.
            outputs: the names of its outputs.
            sample: rows, and the scorer's probabilities.
            probability: probabilities from rows and outputs.
            tolerance: how far they may be from the scorer's.
        """
        if not self.formats:
            return
        inputs = [each for each in sample.rows if each != "item" or isinstance(module, PlainModel)]
        given = exported(module, {each: sample.rows[each][:2] for each in inputs}, self.recommender)
        for each in self.formats:
            path = self.folder / f"{name}.{each}"
            try:
                run = _WRITERS[each](given, path, inputs, outputs)
            except Exception as error:  # torch and onnxruntime raise errors of many types
                if storage_reason(error) is not None:
                    raise
                reason = " ".join(str(error).split())[:300]
                raise FormatError(
                    f"{path.name} is not written: {self.recommender} cannot be written so ({reason}): leave the format "
                    "out, or use the versions of torch and onnxruntime in constraints.txt"
                ) from error

            def probabilities(rows: Rows, run: Run = run) -> np.ndarray:
                return probability(rows, run({each: rows[each] for each in inputs}))

            self.differences[f"{name}.{each}"] = sample.check(path, probabilities, tolerance)


def _write_vectors(writing: _Writing, package: Package, towers: Towers, sample: Sample) -> None:
    vectors = write_item_vectors(package, towers, writing.folder / "vectors")
    if not len(vectors):
        raise FormatError(
            "vectors are not written: no item of the package has a row of its own, since all have expired: leave the "
            "format out, or raise data.lifetimes.expire_after"
        )
    place = np.cumsum(package.has_name("item")) - 1  # of each item that has a vector

    def probability(rows: Rows, outputs: list[np.ndarray]) -> np.ndarray:
        user, offset = outputs
        return torch.from_numpy((user * vectors[place[rows["item"]]]).sum(1) + offset).sigmoid().numpy()

    rows = PlainRows(package.sizes, package.manifest.history_size)  # the user's vector needs no catalogue
    tolerance = TOLERANCE if towers.exact else 1.0
    user = replace(writing, formats=writing.formats or ["pt2"])
    user.program(
        "vectors/user", PlainUser(towers, rows), ("vector", "offset"), sample.of_known_items(), probability, tolerance
    )


def _copy(package: Package, folder: Path) -> None:
    """Copy what a caller needs beside the programs."""
    wanted = [f"ids/{kind}.parquet" for kind in kinds(package.sizes)]
    wanted += [path for path in package.manifest.files if path.startswith(("history/", "features/"))]
    for path in wanted:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package.folder / path, folder / path)
    if (folder / "model.onnx").exists():
        shutil.copyfile(_EXAMPLE, folder / _EXAMPLE.name)


def _described(package: Package, folder: Path, writing: _Writing) -> dict[str, Any]:
    sizes, places = package.sizes, package.manifest.history_size
    ids = [("user", sizes.users, []), ("item", sizes.items, []), ("history", sizes.items, [places])]
    inputs = [
        {
            **{"name": name, "dtype": "int64", "shape": ["batch", *more], "known": known},
            "names": f"ids/{'item' if name == 'history' else name}.parquet",
        }
        for name, known, more in ids
    ]
    inputs.append({"name": "history_length", "dtype": "int64", "shape": ["batch"]})
    known = {"context": list(sizes.context), "lists": [each.values for each in sizes.lists]}
    inputs += [_of_features(kind, named, known.get(kind)) for kind, named in StoredValues.of(package).kinds.items()]
    return {
        "format": FORMAT,
        "version": VERSION,
        "package": package.name,
        "provenance": dict(package.manifest.provenance),
        "inputs": inputs,
        "outputs": [{"name": name, "dtype": "float32", "shape": ["batch"]} for name in ("logit", "probability")],
        "unknown": -1,
        "largest_differences": writing.differences,
        "files": dict(_files(folder)),
    }


def _of_features(kind: str, features: Sequence[Feature], known: list[int] | None) -> dict[str, Any]:
    """What the input of a kind of features is; numbers have no known values."""
    shape = ["batch", len(features), *(["values"] if kind == "lists" else [])]
    named = {"features": [each.name for each in features], "sides": [each.side for each in features]}
    found = {"name": kind, "dtype": "float32" if known is None else "int64", "shape": shape, **named}
    if known is not None:
        file = "list" if kind == "lists" else kind
        found |= {"known": known, "names": [f"ids/{file}-{number}.parquet" for number in range(len(features))]}
    return found


def _files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield path.relative_to(folder).as_posix(), {"bytes": path.stat().st_size, "sha256": digest}
