"""Writes a serving package's model in other programs' formats, each checked against the scorer before it appears.

    FOLDER/formats.json          what the inputs, the outputs and the files are
           model.pt2             for torch.export.load
           model.onnx            for onnxruntime and others
           vectors/              of the items, see asmg_pl.serving.formats.vectors
           ids/user.parquet, …   the names of the row numbers
           example.py            from names to probabilities
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import Recommender
from asmg_pl.serving.contents import kinds
from asmg_pl.serving.formats.checking import Sample
from asmg_pl.serving.formats.plain import MODEL_OUTPUTS, USER_OUTPUTS, PlainModel, PlainRows, PlainUser
from asmg_pl.serving.formats.programs import Rows, Run, check_installed, exported, write_onnx, write_pt2
from asmg_pl.serving.formats.vectors import check_dot_product, write_item_vectors
from asmg_pl.serving.package import Package
from asmg_pl.system.files import sync, written_whole

FILE, FORMAT, VERSION = "formats.json", "asmg serving formats", 1

#: The formats, each with what it is.
FORMATS = {
    "pt2": "a program of torch.export",
    "onnx": "an ONNX model",
    "vectors": "item vectors for a search, and a program for the user's",
}

_WRITERS: dict[str, Callable[..., Run]] = {"pt2": write_pt2, "onnx": write_onnx}

_EXAMPLE = Path(__file__).with_name("example.py")


def write_formats(package: Package, folder: str | Path, formats: Sequence[str]) -> dict[str, float]:
    """Write a package's model in other programs' formats.

    The folder appears when everything in it has been checked against the scorer.

    Args:
        package: whose model it is.
        folder: where the files go; an older folder is replaced.
        formats: one or more of :data:`FORMATS`.

    Returns:
        For each program, by its path in the folder, the largest difference of a probability from the scorer's.

    Raises:
        ConfigError: if a format is not known, its packages are missing, or the recommender has no vectors.
        FormatError: if a program cannot be made, or its probabilities differ too much.
        StorageError: if the disk is full or fails.
    """
    _check(package, formats)
    sizes = package.sizes
    served, sample = package.served(), Sample.of(package)
    rows = PlainRows(sizes, package.manifest.history_size, package.catalogue)
    programs = [each for each in formats if each in _WRITERS]
    found: dict[str, float] = {}
    with written_whole(Path(folder)) as partial:
        partial.mkdir()
        found |= _write(PlainModel(served, rows), partial / "model", programs, MODEL_OUTPUTS, sample, lambda _, out: out[1])
        if "vectors" in formats:
            inside = partial / "vectors"
            inside.mkdir()
            vectors = write_item_vectors(package, _searched(package), inside)
