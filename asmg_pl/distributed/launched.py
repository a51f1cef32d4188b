"""Who starts the processes of a walk: Lightning, or a launcher such as torchrun or SLURM."""

from __future__ import annotations

import os

from lightning import Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from asmg_pl.errors import ConfigError


def check_launched(trainer: Trainer) -> None:
    """Refuse a walk that would wait for processes that nobody starts.

    Lightning starts the other processes, unless ``LOCAL_RANK`` says that a launcher has. Each launcher also sets
    ``MASTER_PORT``, the port where the processes meet. Without a port, ``LOCAL_RANK`` is a leftover in the shell.

    Raises:
        ConfigError: if the walk has several processes, and the environment has a rank but no port to meet at.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    by_lightning = type(environment) is LightningEnvironment
    if trainer.world_size > 1 and by_lightning and "LOCAL_RANK" in os.environ and "MASTER_PORT" not in os.environ:
        raise ConfigError(
            f"the walk has {trainer.world_size} processes, and LOCAL_RANK={os.environ['LOCAL_RANK']} in the "
            "environment says that a launcher starts them, but MASTER_PORT, where they meet, is not set: "
            "unset LOCAL_RANK, or start the walk with torchrun"
        )
