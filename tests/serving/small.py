"""A small serving package to write, open and damage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asmg_pl.data import Sizes
from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.serving import Contents, write
from asmg_pl.serving.classes import described
from asmg_pl.serving.contents import Lists
from asmg_pl.serving.headed import HeadNumbers
from asmg_pl.serving.intact import CHECKED
from asmg_pl.serving.manifest import FileEntry, checksum

SIZES = Sizes(users=4, items=5, categories=3, context=(2,))
USERS, ITEMS = ["ann", "bob", "cem", "dee"], [10, -20, 30, 40, 50]


def lists(*each: list[int]) -> Lists:
    """A list of items for each user."""
    items = np.array([item for one in each for item in one], np.int32)
    return Lists(items, np.cumsum([0, *map(len, each)], dtype=np.int64))


def contents(model: Recommender | None = None, **changed: Any) -> Contents:
    """The contents of a small package, with some of them changed."""
    model = model or EmbeddingMLP(SIZES, embedding_dim=2)
    found = Contents(
        recommender=described(model),
        sizes=SIZES,
        models={"serving": model.state_dict()},
        names={"user": USERS, "item": ITEMS, "category": ["x", "y", "z"], "context-0": ["phone", "desk"]},
        history=lists([3, 1], [], [0], [4, 4, 2]),
        seen=lists([1, 3], [], [0], [2, 4]),
        popularity=np.arange(5, dtype=np.float32),
        history_size=3,
        context=("device",),
        catalogue=np.array([[0, 1], [2, -1], [-1, -1], [1, -1], [0, -1]], np.int32),
        provenance={"period": 3, "written": "now"},
    )
    return replace(found, **changed)


def head(models: int = 1) -> HeadNumbers:
    """A head on so many models."""
    width = 1 + models + 12
    draw = torch.Generator().manual_seed(0)
    users, items = torch.rand(4, 6, generator=draw), torch.rand(5, 6, generator=draw)
    bounds = torch.stack([torch.full((width,), -3.0), torch.full((width,), 3.0)])
    return HeadNumbers(users, items, torch.rand(width, generator=draw), bounds, share=0.25, period=4)


def package(folder: Path, **changed: Any) -> Path:
    """Write a small package."""
    write(contents(**changed), folder)
    return folder


def changed(folder: Path, change: Callable[[dict[str, Any]], object], signed: bool = True) -> None:
    """Change a manifest, with a checksum that fits or one that does not."""
    path = folder / "package.json"
    content = json.loads(path.read_text())
    change(content)
    if signed:
        content.pop("checksum", None)
        content["checksum"] = checksum(content)
    path.write_text(json.dumps(content))


def share_rows(folder: Path, shared: Mapping[str, np.ndarray]) -> None:
    """Make a package of version 2 one of ids that come and go, where each id has a row and a name.

    Args:
        folder: of the package.
        shared: whether each id has a copy of the shared row, bool [n], by kind.
    """

    def with_shared(content: dict[str, Any]) -> None:
        assert content["version"] == 2, "programs that know no newer version read a package whose ids all have a row"
        for kind, flags in shared.items():
            path = f"ids/{kind}.shared.npy"
            np.save(folder / path, flags)
            content["files"][path] = FileEntry.of(folder / path)._asdict()

    changed(folder, with_shared)


def files(folder: Path) -> list[Path]:
    """The files of a package, without the note of those that have been checked."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKED)
