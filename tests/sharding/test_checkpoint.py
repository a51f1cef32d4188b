"""Sharded checkpoints: read by any number of ranks, whole or not at all, and without running code."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from sharding.ranks import on_ranks
from small_checkpoint import small_checkpoint

from asmg_pl.checkpoint_io import WALK
from asmg_pl.checkpoints.digest import digests_of
from asmg_pl.errors import CheckpointError
from asmg_pl.sharding.checkpoint import ShardedEntries, read, write
from asmg_pl.sharding.layout import Layout
from asmg_pl.sharding.reader import tensors_in

SHARDS = 5
TABLES = {"user": 13, "item": 10, "context_0": 3}  # one place that is not full; all full; none full
PARAMETERS = [f"tables.{name}.weight" for name in TABLES]


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
    return ShardedEntries({name: Layout(rows, SHARDS, rank, ranks) for name, rows in TABLES.items()}, PARAMETERS)


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
    write(own(whole()), path, entries())


def read_from(path: Path) -> bool:
    """Whether what is read is this rank's part of what was written."""
    found = read(path, entries())
    for added in ("format", "digests"):
        found.pop(added)
    return digests_of(found) == digests_of(own(whole()))


@pytest.mark.parametrize(("writers", "readers"), [(1, 4), (4, 1), (3, 2)])
def test_another_number_of_ranks_reads_its_own_rows(tmp_path: Path, writers: int, readers: int) -> None:
    on_ranks(writers, write_to, tmp_path / "checkpoint")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert on_ranks(readers, read_from, tmp_path / "checkpoint") == [True] * readers


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
