"""Writes a serving package: a folder that appears whole, or not at all.

An id that is not known has a row too. Each table that grows with the ids has one row more than there are known ids, the
mean of the others, and the catalogue has one row more, without categories:

    users known   0 … N-1      row of an unknown user   N
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.serving.arrays import Rows, write_array
from asmg_pl.serving.classes import build_of, growing, paths_in, skeleton
from asmg_pl.serving.contents import Contents, Lists, in_rows, kinds
from asmg_pl.serving.ids import write_ids
from asmg_pl.serving.intact import note_intact
from asmg_pl.serving.manifest import FILE, FileEntry, Manifest
from asmg_pl.serving.unknown import with_unknown
from asmg_pl.system.files import sync, written_whole


def write(contents: Contents, folder: str | Path) -> None:
    """Write a serving package.

    Args:
        contents: what it is made of.
        folder: where it goes; an older package there is replaced.

    Raises:
        ConfigError: if the contents do not fit together.
        StorageError: if the disk is full or fails.
    """
    _check(contents)
    with written_whole(Path(folder)) as partial:
        partial.mkdir()
        for name, array in _arrays(contents):
            path = partial / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_array(array, path)
        (partial / "ids").mkdir(exist_ok=True)
        for kind in kinds(contents.sizes):
            write_ids(contents.names[kind], partial / "ids" / kind, contents.tenants.get(kind))
        manifest = _manifest(contents, partial)
        manifest.write(partial)
        for path in partial.rglob("*"):
            sync(path)
        note_intact(partial, manifest)


def _arrays(contents: Contents) -> Iterator[tuple[str, Tensor | np.ndarray | Rows]]:
    """All arrays by their path without ending, in an order that depends on the contents alone."""
    build = build_of(**_class_of(contents))
    sizes = in_rows(contents.sizes, contents.tenants)
    grows = growing(build, sizes)
    shapes = {name: tuple(tensor.shape) for name, tensor in skeleton(build, sizes).state_dict().items()}
    for model, state in contents.models.items():
        if state.keys() != shapes.keys():
            name = min(state.keys() ^ shapes.keys())
            raise ConfigError(
                f"the model {model!r} and its class differ in the parameter {name}: check its init_args()"
            )
        for name, given in state.items():
            rows = given if isinstance(given, Rows) else Rows.of(given[: shapes[name][0]] if name in grows else given)
            if rows.shape != shapes[name]:
                raise ConfigError(
                    f"the parameter {name} of {model!r} has shape {list(rows.shape)}, and its class gives "
                    f"{list(shapes[name])} for the known ids: only tables may depend on the numbers of ids"
                )
            yield f"parameters/{model}/{name}", rows.with_mean() if grows.get(name) else rows
    if contents.head is not None:
        for name in ("users", "items", "coefficients", "bounds"):
            yield f"head/{name}", getattr(contents.head, name).float()
    for name, lists in (("history", contents.history), ("seen", contents.seen)):
        yield f"{name}/items", lists.items
        yield f"{name}/offsets", lists.offsets
    if contents.catalogue is not None:
        yield "catalogue", np.pad(contents.catalogue.astype(np.int32), ((0, 1), (0, 0)), constant_values=-1)
    for name, values in contents.features.items():
        side, kind = name.split("/")
        features = contents.sizes.context_features
        known = [each.values for each in features if each.side == side] if kind == "context" else []
        yield f"features/{name}", with_unknown(values, known)
    yield "popularity", contents.popularity.astype(np.float32)


def _class_of(contents: Contents) -> dict[str, Any]:
    """The arguments of :func:`build_of`; what is written may be imported, since it has been already."""
    given = contents.recommender
    return {"path": given["class_path"], "arguments": given["init_args"], "allow": list(paths_in(given))}


def _manifest(contents: Contents, folder: Path) -> Manifest:
    sizes, head = contents.sizes._replace(past=None), contents.head
    roles = [("user", "user"), ("item", "item"), *([("category", "category")] if sizes.categories else [])]
    features = [{"name": name, "kind": "categorical", "role": role} for name, role in roles]
    features += [{"name": name, "kind": "categorical", "role": "context"} for name in contents.context]
    further = {"number": sizes.numbers, "list": sizes.lists}
    features += [{"name": n.name, "kind": kind, "role": n.side} for kind, named in further.items() for n in named]
    return Manifest(
        class_path=contents.recommender["class_path"],
        init_args=contents.recommender["init_args"],
        sizes=sizes,
        models=tuple(contents.models),
        head=None if head is None else {"share": float(head.share), "period": int(head.period)},
        choice=contents.choice,
        history_size=contents.history_size,
        context=contents.context,
        features=tuple(features),
        provenance=contents.provenance,
        files=dict(_entries(folder)),
    )


def _entries(folder: Path) -> Iterator[tuple[str, FileEntry]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != FILE:
            yield path.relative_to(folder).as_posix(), FileEntry.of(path)


def _check(contents: Contents) -> None:
    """Refuse contents that do not fit together.

    Raises:
        ConfigError: naming what does not fit.
    """
    sizes = contents.sizes
    for kind, count in kinds(sizes).items():
        if kind not in contents.names:
            raise ConfigError(f"the contents have no names of {kind}: give one for each of the {count:,} ids")
        if len(contents.names[kind]) != count:
            raise ConfigError(f"there are {len(contents.names[kind]):,} names of {kind}, and {count:,} ids")
    for kind, tenants in contents.tenants.items():
        ascending = tenants.dtype == np.int32 and tenants.ndim == 1 and bool((np.diff(tenants) > 0).all())
        if not ascending or not ((tenants >= 0) & (tenants < kinds(sizes).get(kind, 0))).all():
            raise ConfigError(f"the tenants of {kind} are no int32 ids in ascending order: give ids that have a row")
    if len(contents.context) != len(sizes.context):
        raise ConfigError(f"{len(contents.context)} context features have names, and {len(sizes.context)} have values")
    for name, lists in (("history", contents.history), ("seen", contents.seen)):
        _check_lists(name, lists, sizes)
    for name, values in contents.features.items():
        if len(values) != kinds(sizes)[name.split("/")[0]]:
            raise ConfigError(f"features has {len(values):,} rows for {name}: give one for each known id")
    if len(contents.popularity) != sizes.items:
        raise ConfigError(f"popularity has {len(contents.popularity):,} entries, and there are {sizes.items:,} items")
    if (contents.catalogue is None) == bool(sizes.categories):
        raise ConfigError(f"the sizes have {sizes.categories} categories, and there is a catalogue if there are any")
    if contents.catalogue is not None and len(contents.catalogue) != sizes.items:
        raise ConfigError(f"the catalogue has {len(contents.catalogue):,} rows, and there are {sizes.items:,} items")
    if contents.history_size < int(np.diff(contents.history.offsets).max(initial=0)):
        raise ConfigError(f"a history is longer than history_size, {contents.history_size}")


def _check_lists(name: str, lists: Lists, sizes: Sizes) -> None:
    if lists.items.dtype != np.int32 or lists.offsets.dtype != np.int64:
        raise ConfigError(
            f"{name} must have int32 items and int64 offsets, not {lists.items.dtype}, {lists.offsets.dtype}"
        )
    if len(lists.offsets) != sizes.users + 1 or lists.offsets[0] != 0 or lists.offsets[-1] != len(lists.items):
        raise ConfigError(f"the offsets of {name} do not cut its items into a list for each of {sizes.users:,} users")
