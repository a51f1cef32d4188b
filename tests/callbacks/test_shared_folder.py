"""Processes that see different run folders do not walk."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch.distributed as dist
from distributed.ranks import on_ranks

from asmg_pl.callbacks.shared_folder import check_shared
from asmg_pl.errors import ConfigError

NEWEST = "period-000004-phase-001-update.ckpt"


def refusal(folder: Path, own: bool) -> str:
    """What is said; the first process has a checkpoint, in a folder of its own or in one of all."""
    checkpoints = folder / (str(dist.get_rank()) if own else "all")
    if dist.get_rank() == 0:
        checkpoints.mkdir()
        (checkpoints / NEWEST).touch()
    dist.barrier()
    try:
        check_shared(checkpoints)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_folders_of_their_own_are_refused_by_all_processes_and_one_folder_is_not(tmp_path: Path) -> None:
    for said in on_ranks(2, refusal, tmp_path, True):
        assert f"process 0 on {socket.gethostname()} has {NEWEST}, and process 1 on" in said
        assert "has none. Put the run folder" in said
    assert on_ranks(2, refusal, tmp_path, False) == ["", ""]
