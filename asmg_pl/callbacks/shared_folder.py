"""All processes of a walk must see the same run folder, or they would go on from different places."""

from __future__ import annotations

import socket
from pathlib import Path

import torch.distributed as dist

from asmg_pl.checkpoints.names import newest_first
from asmg_pl.distributed.processes import several
from asmg_pl.errors import ConfigError


def check_shared(checkpoints: Path) -> None:
    """Check that all processes find the same newest checkpoint; every process calls it.

    Args:
        checkpoints: the folder of the walk's checkpoints.

    Raises:
        ConfigError: on all processes, naming the first one that finds another, and what it finds.
    """
    if not several():
        return
    newest = [path.name for path in newest_first(checkpoints)[:1]]
    own = f"{socket.gethostname()} has {newest[0] if newest else 'none'}"
    found = [(list[str](), "")] * dist.get_world_size()
    dist.all_gather_object(found, (newest, own))
    for rank, (seen, says) in enumerate(found):
        if seen != found[0][0]:
            raise ConfigError(
                f"the processes of the walk see different run folders: as the newest checkpoint in {checkpoints}, "
                f"process 0 on {found[0][1]}, and process {rank} on {says}. Put the run folder "
                "(--trainer.default_root_dir) where all machines see the same files"
            )
