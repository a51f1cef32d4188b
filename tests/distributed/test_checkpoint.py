"""Sharded checkpoints: read by any number of ranks, whole or not at all, and without running code."""

from __future__ import annotations

import os
import pickle
import random
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from checkpoints.damage import damaged
from checkpoints.small_checkpoint import small_checkpoint
from distributed.ranks import on_ranks

from asmg_pl.checkpoints.digest import digests_of
from asmg_pl.checkpoints.io import WALK, read_checkpoint
from asmg_pl.distributed.checkpoint import ShardedEntries, read, write
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.reader import read_metadata, tensors_in
from asmg_pl.errors import CheckpointError, StorageError

SHARDS = 5
TABLES = {"user": 13, "item": 10, "context_0": 3}  # one place that is not full; all full; none full
PARAMETERS = [f"tables.{name}.weight" for name in TABLES]
ENTRIES = {
    **{f"recommender.tables.{name}.weight": (name, 0) for name in TABLES},
    **{f"history.tables.{name}": (name, 1) for name in TABLES},
    **{f"history.hidden.{name}": (name, 0) for name in TABLES},
}


def whole() -> dict[str, Any]:
    """A checkpoint with whole tables."""
    draw = torch.Generator().manual_seed(0)
    state = {
        f"recommender.{name}": torch.randn(rows, 2, generator=draw)
        for name, rows in zip(PARAMETERS, TABLES.values(), strict=True)
    }
    state |= {f"history.tables.{name}": torch.randn(3, rows, 2, generator=draw) for name, rows in TABLES.items()}
    state |= {f"history.hidden.{name}": torch.randn(rows, 2, 4, generator=draw) for name, rows in TABLES.items()}
    state["recommender.mlp.0.weight"] = torch.randn(13, 2, generator=draw)
    moments = {
        i: {"step": torch.tensor(7.0), "exp_avg": torch.randn(rows, 2, generator=draw)}
        for i, rows in enumerate(TABLES.values())
    }
    groups = [{"lr": 0.1, "params": [0, 1, 2]}]
    optimizers = [{"state": moments, "param_groups": groups}, {"state": {}, "param_groups": []}]
    best = {"score": 0.5, "weights": {PARAMETERS[0]: torch.randn(13, 2, generator=draw)}, "optimizer": optimizers[0]}
    mine = {"state_dict": state, "optimizer_states": optimizers, "best_pretraining_epoch": best, "results": {}}
    return small_checkpoint() | mine


def entries() -> ShardedEntries:
    """What is sharded on this rank."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    layouts = {name: Layout(rows, SHARDS, rank, ranks) for name, rows in TABLES.items()}
    return ShardedEntries(layouts, PARAMETERS, ENTRIES)


def own(value: Any, place: tuple[Any, ...] = ()) -> Any:
    """This rank's rows of a checkpoint with whole tables."""
    if isinstance(value, dict):
        return {key: own(inner, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [own(inner, (*place, number)) for number, inner in enumerate(value)]
    found = entries().layout(place, value)
    return value if found is None else found[0].cut(value, found[1])


def write_to(path: Path) -> None:
    """Write this rank's part."""
    write(own(whole()), path, entries(), leads=dist.get_rank() == 0)


def read_from(path: Path) -> bool:
    """Whether what is read is this rank's part of what was written."""
    found = read(path, entries())
    for added in ("format", "digests"):
        found.pop(added)
    return digests_of(found) == digests_of(own(whole()))


@pytest.mark.slow
@pytest.mark.parametrize(("writers", "readers"), [(1, 4), (4, 1), (3, 2)])
def test_another_number_of_ranks_reads_its_own_rows(tmp_path: Path, writers: int, readers: int) -> None:
    on_ranks(writers, write_to, tmp_path / "checkpoint")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert on_ranks(readers, read_from, tmp_path / "checkpoint") == [True] * readers


@pytest.mark.slow
def test_no_rank_writes_the_rows_of_another(tmp_path: Path) -> None:
    on_ranks(2, write_to, tmp_path / "checkpoint")
    plain = torch.load(tmp_path / "checkpoint" / WALK, weights_only=True)
    assert plain["state_dict"].pop("recommender.mlp.0.weight") is not None
    assert set(plain["state_dict"].values()) == {None}
    sizes = [path.stat().st_size for path in (tmp_path / "checkpoint").glob("*.distcp")]
    assert len(sizes) == 2
    assert min(sizes) > max(sizes) / 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint."""
    on_ranks(1, write_to, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_missing_or_short_part_is_noticed(folder: Path) -> None:
    assert len(tensors_in(folder)) > len(TABLES)
    (part,) = folder.glob("*.distcp")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        tensors_in(folder)
    part.unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        tensors_in(folder)


@dataclass
class Trap:
    """What touches a file when it is unpickled."""

    sign: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sign,)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_metadata_run_no_code(folder: Path, tmp_path: Path, content: bytes | None) -> None:
    (folder / ".metadata").write_bytes(pickle.dumps(Trap(tmp_path / "sign")) if content is None else content)
    with pytest.raises(CheckpointError, match="damaged"):
        tensors_in(folder)
    assert not (tmp_path / "sign").exists()


class Named:
    """What is pickled as an attribute, like a member of an enumeration by Python 3.11.0 to 3.11.3."""

    def __init__(self, kind: Any, name: str) -> None:
        self.read = kind, name

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, self.read


def test_members_of_enumerations_are_read_as_any_python_writes_them(folder: Path) -> None:
    metadata = read_metadata(folder)
    properties = next(iter(tensors_in(folder).values())).properties
    kind: type[Enum] = type(properties.__getstate__()[3])
    members = list(kind)
    metadata.planner_data = [Named(type(member), member.name) for member in members]
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    assert read_metadata(folder).planner_data == members


@pytest.mark.parametrize("name", ["__class__", "__subclasses__", "nothing"])
def test_other_attributes_are_not_read(folder: Path, name: str) -> None:
    metadata = read_metadata(folder)
    for kind in (type(metadata), type(next(iter(tensors_in(folder).values())).properties)):
        metadata.planner_data = Named(kind, name)
        (folder / ".metadata").write_bytes(pickle.dumps(metadata))
        with pytest.raises(CheckpointError, match="damaged"):
            read_metadata(folder)


def refused_when_damaged(folder: Path, seed: int, tries: int) -> list[str]:
    """Damage the files of a checkpoint one after the other; what was neither refused nor read as it was written."""
    draw, wrong = random.Random(seed), []
    contents = {path: path.read_bytes() for path in folder.iterdir()}
    for number in range(tries):
        path = draw.choice(sorted(contents))
        path.write_bytes(damaged(contents[path], draw))
        try:
            found = read(folder, entries())
        except CheckpointError as error:
            if str(folder) not in str(error):
                wrong.append(f"{number}: {error}")
        except BaseException as error:
            wrong.append(f"{number}: {path.name}: {error!r}")
        else:
            for added in ("format", "digests"):
                found.pop(added)
            if digests_of(found) != digests_of(own(whole())):
                wrong.append(f"{number}: {path.name} was read otherwise")
        path.write_bytes(contents[path])
    return wrong


@pytest.mark.slow
def test_a_damaged_part_is_refused_or_read_as_it_was_written(folder: Path) -> None:
    assert on_ranks(1, refused_when_damaged, folder, 0, 120) == [[]]


def test_all_ranks_refuse_a_part_that_one_of_them_finds_damaged(folder: Path) -> None:
    (part,) = folder.glob("*.distcp")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    told = on_ranks(2, message_of, folder)
    assert told == [f"{folder} is damaged, in {part.name}: give an earlier one with --ckpt_path"] * 2


def message_of(folder: Path) -> str:
    """What is said when a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        read(folder, entries())
    return str(caught.value)


def test_one_file_of_a_folder_is_no_checkpoint(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"one file of a checkpoint.*give its folder, {folder}"):
        read_checkpoint(folder / WALK)


def test_parts_outside_of_the_folder_are_not_read(folder: Path) -> None:
    metadata = (folder / ".metadata").read_bytes()
    (part,) = folder.glob("*.distcp")
    (folder.parent / part.name[1:]).write_bytes(part.read_bytes())
    outside = b"../" + part.name[3:].encode()
    (folder / ".metadata").write_bytes(metadata.replace(part.name.encode(), outside))
    with pytest.raises(CheckpointError, match="damaged"):
        tensors_in(folder)


def write_on_full_disk(path: Path, failing: int) -> str:
    """Write this rank's part where one rank's disk is full; what is raised."""
    if dist.get_rank() == failing:

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        os.fsync = full  # type: ignore[assignment]
    with pytest.raises(StorageError) as caught:
        write_to(path)
    return str(caught.value)


def test_a_full_disk_of_one_rank_is_said_by_all_and_leaves_the_checkpoint_before(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = on_ranks(2, write_on_full_disk, folder, 1)
    assert len(set(told)) == 1
    assert told[0].startswith(f"{folder} could not be written (No space left on device)")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
