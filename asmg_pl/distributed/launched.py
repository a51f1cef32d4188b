"""Who starts the processes of a walk: Lightning, or a launcher such as torchrun or SLURM."""

from __future__ import annotations

import logging
import os
from typing import Any

from lightning import Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from asmg_pl.errors import ConfigError

log = logging.getLogger(__name__)


def check_launched(trainer: Trainer) -> None:
    """Refuse a walk that would wait for processes that nobody starts; warn of one that could not start again.

    Lightning starts the other processes, unless ``LOCAL_RANK`` says that a launcher has. Each launcher also sets
    ``MASTER_PORT``, the port where the processes meet. Without a port, ``LOCAL_RANK`` is a leftover in the shell.

    By default torchrun has all its starts of a walk meet in one store, where processes that are started again find the
    addresses of those that have ended.

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
    again = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0 and os.environ.get("GROUP_WORLD_SIZE", "1") != "1"
    if again and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and trainer.is_global_zero:
        log.warning(
            "torchrun may start this walk again on several machines, whose processes would not find each other then: "
            "set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its environment on all machines"
        )


def counts_of_torchrun(devices: Any, num_nodes: int) -> dict[str, int]:
    """The trainer's numbers of devices and machines as torchrun has started them; nothing if it has not.

    Machines may be lost and come back, and torchrun then starts all processes of the walk anew. So the numbers are
    those of this start.

    Args:
        devices: the trainer's setting; ``"auto"`` or -1 follows torchrun.
        num_nodes: the trainer's setting; 1 follows torchrun.

    Raises:
        ConfigError: if a setting names another number.
    """
    if not TorchElasticEnvironment.detect():
        return {}
    processes = int(os.environ["WORLD_SIZE"])
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    if processes % here:
        raise ConfigError(
            f"torchrun has started {here} of {processes} processes on this machine, and a walk needs as many on each: "
            "give all machines the same --nproc-per-node"
        )
    machines = processes // here
    follow = "leave it out, and the walk follows torchrun, also when a machine is lost or comes back"
    if num_nodes not in (1, machines):
        raise ConfigError(
            f"trainer.num_nodes is {num_nodes}, and torchrun has started the walk on {machines} machines: {follow}"
        )
    if str(devices) in ("auto", "-1"):
        return {"devices": here, "num_nodes": machines}
    if str(devices).isdecimal() and int(devices) != here:
        raise ConfigError(
            f"trainer.devices is {devices}, and torchrun has started {here} processes on each machine: {follow}"
        )
    return {"num_nodes": machines}
