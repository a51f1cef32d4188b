"""Checkpoints of sharded tables: folders to which every rank writes its rows, and which any number of ranks can read.

    period-000014-phase-002-update.ckpt/
      walk.pt                   all but the tables: dense parameters, results, the walk's place
      .metadata, __R_0.distcp   the tables' rows of rank R: weights, moments, snapshots, state

All ranks write to one file system, or the ranks of each machine to one of their own, from where the files are put
together at an address (:mod:`asmg_pl.callbacks.machines`). The second line has the format of
:mod:`torch.distributed.checkpoint`. The rows of a table are a tensor [places, V, D], cut between shards (see
:mod:`asmg_pl.distributed.layout`), so that another number of ranks can read other cuts. If the last place is not full,
it is a tensor of its own, [1, V, D], padded with zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard

from asmg_pl.checkpoints.digest import digest_of_file
from asmg_pl.checkpoints.io import WALK, AtomicCheckpointIO, Entries, read_checkpoint
from asmg_pl.checkpoints.values import Flaw, tensor
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.reader import Reader, file_names, tensors_in
from asmg_pl.errors import CheckpointError
from asmg_pl.system.files import PARTIAL, not_written, storage_reason, written_whole

Place = tuple[Any, ...]  # the keys of a value in a nested checkpoint


class ShardedEntries:
    """The tensors of a walk's checkpoint that have the rows of sharded tables."""

    def __init__(
        self, layouts: Mapping[str, Layout], parameters: Sequence[str], entries: Mapping[str, tuple[str, int]]
    ) -> None:
        """Name the sharded tensors.

        Args:
            layouts: the layout of each sharded table by name.
            parameters: the names of the base model's parameters, in the order of its optimiser.
            entries: the updater's tensors that have a table's rows, see
                :func:`~asmg_pl.generators.table_entries.table_entries`.
        """
        self.layouts = layouts
        self._parameters = parameters
        self._entries = entries

    def find(self, place: Place) -> tuple[str, int] | None:
        """The table, sharded or not, whose rows a tensor has, and their axis; ``None`` if there is none."""
        match place:
            case ("self_tuning", "waiting", _, *within):
                return self.find(tuple(within))
            case ("state_dict", name):
                return self._entries.get(name)
            case ("best_pretraining_epoch", "weights", name):
                return self._entries.get(f"recommender.{name}")
            case ("optimizer_states", 0, "state", number, _) | ("best_pretraining_epoch", _, "state", number, _):
                return self._entries.get(f"recommender.{self._parameters[number]}")
        return None

    def layout(self, place: Place, value: Any) -> tuple[Layout, int] | None:
        """The layout of the rows of a sharded tensor, and their axis."""
        table, axis = self.find(place) or ("", 0)
        if table not in self.layouts or not isinstance(value, Tensor) or not value.ndim:
            return None
        return self.layouts[table], axis


def write(checkpoint: dict[str, Any], folder: Path, entries: ShardedEntries, leads: bool) -> None:
    """Write a checkpoint; every rank calls it. The folder gets its name when it is whole.

    Args:
        checkpoint: this rank's entries.
        folder: where its files go. Machines may have folders of their own, and each of these gets the files of the
            ranks that see it.
        entries: the tensors that are sharded.
        leads: whether this rank is the one, of those that see the folder, that makes it.
    """
    tables: dict[str, Any] = {}

    def take(place: Place, value: Any) -> Any:
        if (found := entries.layout(place, value)) is None:
            return value
        layout, axis = found
        full, rest = value.split([layout.full * layout.own, layout.rest], axis)
        key = "/".join(map(str, place))
        if layout.full:
            tables[f"full/{key}"] = _cut(full, layout.full, layout, axis)
        if layout.rows % layout.shards:
            padding = rest.new_zeros(*rest.shape[:axis], layout.own - layout.rest, *rest.shape[axis + 1 :])
            tables[f"rest/{key}"] = _cut(torch.cat([rest, padding], axis), 1, layout, axis)
        return None

    plain = _mapped(checkpoint, take)
    plain["sharded"] = {name: (layout.rows, layout.shards) for name, layout in entries.layouts.items()}
    with written_whole(folder) if leads else nullcontext(folder.with_name(folder.name + PARTIAL)) as partial:
        if leads:
            partial.mkdir()
        dist.barrier()
        _save(tables, partial)
        plain["files"] = _merged(
            {name: digest_of_file(partial / name) for name in file_names(partial, dist.get_rank())}
        )
        if dist.get_rank() == 0:
            AtomicCheckpointIO().save_checkpoint(plain, partial / WALK)
    dist.barrier()


def _save(tables: dict[str, Any], folder: Path) -> None:
    """Write the tables' rows, every rank its own. An error on one rank is raised on all."""
    try:
        save(tables, storage_writer=FileSystemWriter(folder))
    except CheckpointException as failed:
        reasons = [storage_reason(error) for error, _ in failed.failures.values()]
        if reason := next(filter(None, reasons), None):
            raise not_written(folder.with_name(folder.name.removesuffix(PARTIAL)), reason) from failed
        raise


def _merged(found: dict[str, str]) -> dict[str, str]:
    """Merge the findings of all ranks."""
    of_all: list[dict[str, str]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(of_all, found)
    return {name: value for each in of_all for name, value in each.items()}


def read(path: Path, entries: ShardedEntries) -> dict[str, Any]:
    """Read a checkpoint in which tables have this rank's rows; every rank calls it.

    Args:
        path: a folder, or a file of a walk with whole tables.
        entries: the tensors that are sharded now.

    Raises:
        CheckpointError: if it is missing or damaged, or its layout cannot be converted.
    """

    def own(place: Place, value: Any) -> Any:
        if (found := entries.layout(place, value)) is None:
            return value
        layout, axis = found
        return replace(layout, rows=value.shape[axis]).cut(value, axis)

    checkpoint = Entries(path, _mapped(read_checkpoint(path), own))
    if not path.is_dir():
        return checkpoint
    saved = checkpoint["sharded"]
    _check_files(path, checkpoint["files"])
    del checkpoint["sharded"], checkpoint["files"]
    tables: dict[str, Any] = {}
    rows: dict[Place, Tensor] = {}
    held: dict[Place, Tensor] = {}  # without the padding
    for key, entry in tensors_in(path).items():
        kind, *keys = key.split("/")
        place = tuple(int(name) if name.isdigit() else name for name in keys)
        table, axis = entries.find(place) or (key, 0)
        layout = _layout_then(path, table, entries, saved)
        if place not in rows:
            padded = (layout.full + 1) * layout.own
            rows[place] = torch.empty(*entry.size[:axis], padded, *entry.size[axis + 2 :], dtype=entry.properties.dtype)
            held[place] = rows[place].narrow(axis, 0, layout.held)
            _put(checkpoint, place, held[place])
        full, rest = rows[place].split([layout.full * layout.own, layout.own], axis)
        tables[key] = _cut(full, layout.full, layout, axis) if kind == "full" else _cut(rest, 1, layout, axis)
    try:
        load(tables, storage_reader=Reader(path))
    except (Exception, CheckpointException) as error:  # torch raises many types of errors
        raise CheckpointError(f"{path} is damaged: give an earlier one with --ckpt_path") from error
    try:
        for place, values in held.items():
            tensor(".".join(map(str, place)), values, least=0 if place[-1] == "exp_avg_sq" else -math.inf)
    except Flaw as flaw:
        raise CheckpointError(f"{path} cannot be used: {flaw}: give an earlier one with --ckpt_path") from flaw
    return checkpoint


def _check_files(path: Path, written: Mapping[str, str]) -> None:
    """Check the files against their checksums; the ranks take turns, and all raise an error that one finds."""
    own = sorted(written)[dist.get_rank() :: dist.get_world_size()]
    there = {name: digest_of_file(path / name) if (path / name).is_file() else "" for name in own}
    if damaged := sorted(name for name, digest in _merged(there).items() if digest != written[name]):
        raise CheckpointError(f"{path} is damaged, in {damaged[0]}: give an earlier one with --ckpt_path")


def _layout_then(path: Path, table: str, entries: ShardedEntries, saved: Mapping[str, Any]) -> Layout:
    """The layout that a table has in the checkpoint, for this rank and the present number of ranks."""
    if table not in entries.layouts:
        raise CheckpointError(
            f"{path} has table {table!r} in shards, and this walk has it whole, or it has fewer rows than "
            "trainer.strategy.min_rows: resume with the settings of the walk that wrote it"
        )
    rows, shards = saved.get(table, (0, 0))
    if shards != entries.layouts[table].shards:
        raise CheckpointError(
            f"{path} has table {table!r} in {shards} shards, not {entries.layouts[table].shards}: give "
            f"--trainer.strategy.shards {shards}"
        )
    return replace(entries.layouts[table], rows=rows)


def _cut(rows: Tensor, places: int, layout: Layout, axis: int) -> DTensor:
    """Wrap rows at some places of this rank's shards, as its cut of a tensor […, places, V, …]."""
    cut = rows.unflatten(axis, (places, layout.own))
    whole = torch.empty(*cut.shape[: axis + 1], layout.shards, *cut.shape[axis + 2 :], device="meta")
    mesh = init_device_mesh(rows.device.type, (layout.ranks,))
    return DTensor.from_local(cut, mesh, [Shard(axis + 1)], shape=whole.shape, stride=whole.stride())


def _put(checkpoint: dict[str, Any], place: Place, value: Tensor) -> None:
    *way, last = place
    inner: Any = checkpoint
    for key in way:
        inner = inner[key]
    inner[last] = value


def _mapped(value: Any, change: Callable[[Place, Any], Any], place: Place = ()) -> Any:
    """Copy nested dictionaries and lists, with ``change(place, leaf)`` for each leaf."""
    if isinstance(value, dict):
        return {key: _mapped(inner, change, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, change, (*place, number)) for number, inner in enumerate(value)]
    return change(place, value)
