"""How much memory a walk takes: shown when it starts, and refused beforehand if the device has less."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning import LightningModule
from torch import nn

from asmg_pl.errors import ConfigError
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.recommenders import Recommender

_LIMIT = Path("/sys/fs/cgroup/memory.max")


def size_of(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers, on any device, the meta device included."""
    return sum(t.numel() * t.element_size() for t in [*module.parameters(), *module.buffers()])


def memory_of(device: torch.device) -> int:
    """Bytes that a device has in all; on the CPU, at most what the container allows the process."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    if not hasattr(os, "sysconf"):
        return 2**63
    limit = _LIMIT.read_text().strip() if _LIMIT.exists() else ""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(physical, int(limit)) if limit.isdigit() else physical


def free_memory_of(device: torch.device) -> int:
    """Bytes of a GPU that this process can still take: what nobody has, and what torch keeps for it unused."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


def peak_memory(device: torch.device) -> float:
    """MiB taken at most since the process began: by tensors on a GPU, by the whole process on the CPU.

    ``nan`` where the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return math.nan
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def require(components: Mapping[str, int], device: torch.device | None = None) -> None:
    """Refuse what cannot fit.

    Args:
        components: bytes by the name of what needs them.
        device: where they are needed, by default the CPU.

    Raises:
        ConfigError: with the figures, if the device is smaller than all components together.
    """
    device = device or torch.device("cpu")
    there = memory_of(device)
    _check(
        components,
        there,
        f"too large for the memory of {device}, which is {readable(there)}",
        "Choose a smaller embedding_dim, window or hidden_size, tables of a fixed size (asmg_pl.recommenders.Hashed), "
        "or fewer settings that race (model.self_tuning)",
    )


def check_gpu(module: LightningModule, step: int) -> None:
    """Refuse a walk that cannot fit on its GPU, before anything is moved there; a CPU is not looked at.

    Args:
        module: an updater, still on the CPU. Its models, snapshots and state move to the GPU; in training, two moments
            and a gradient of the base model come on top.
        step: bytes that a step takes while it runs, about.

    Raises:
        ConfigError: with the figures, and the settings that make them smaller.
    """
    device = module.trainer.strategy.root_device
    if device.type != "cuda" or module.device.type == "cuda":
        return
    components = _by_child(module)
    if module.trainer.training:
        trained = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
        components |= {"moments": 2 * trained, "gradient": trained, "step": step}
    there = free_memory_of(device)
    _check(
        components,
        there,
        f"too large for the memory of {device}, of which {readable(there)} is free",
        "Lower embedding_dim of the recommender, model.window, hidden_size of the generator or data.batch_size; or set "
        "model.bfloat16_state, or trainer.strategy sharded on several GPUs",
    )


def _check(components: Mapping[str, int], there: int, flaw: str, mend: str) -> None:
    """Refuse components that need more bytes than are there; ``flaw`` and ``mend`` are words of the message."""
    if sum(components.values()) > there:
        raise ConfigError(f"{flaw}: {described(components)}. {mend}")


def bytes_of_step(recommender: Recommender, rows: int, snapshots: int = 1) -> int:
    """Bytes of what a step holds of tables' rows, about: vectors of each snapshot, their gradients, and places.

    Args:
        recommender: the base model.
        rows: rows of a table that the step's mini-batches ask for, with repetitions.
        snapshots: how many values of each row are generated.
    """
    numbers = sum(table.shape[1] for table in recommender.table_parameters().values())
    return rows * (4 * numbers * (2 * snapshots + 2) + 3 * 8 * len(recommender.tables))


def bytes_by_component(module: LightningModule, waiting: int = 0) -> dict[str, int]:
    """Bytes of each component of an updater, and of two moments for each of its parameters that an optimiser has.

    Args:
        module: the updater.
        waiting: how many copies of all of that wait at most, while settings race.
    """
    trained = {id(p): p for each in module.trainer.optimizers for group in each.param_groups for p in group["params"]}
    found = _by_child(module)
    found |= {"moments": 2 * sum(p.numel() * p.element_size() for p in trained.values())}
    return found | ({"copies that race": waiting * sum(found.values())} if waiting else {})


def _by_child(module: nn.Module) -> dict[str, int]:
    """Bytes of the parts of an updater by name, the carried state apart from the snapshots."""
    found = {name: size_of(child) for name, child in module.named_children()}
    for name, child in list(module.named_children()):
        if isinstance(child, ParameterHistory):
            state = sum(kept.nbytes for kept in child.states())
            found["hidden state"] = found.get("hidden state", 0) + state
            found[name] -= state
    return {name: size for name, size in found.items() if size}


def described(components: Mapping[str, int]) -> str:
    """The components and their sum in words: ``recommender 2.9 MiB + moments 5.8 MiB = 8.7 MiB``."""
    return f"{' + '.join(f'{k} {readable(v)}' for k, v in components.items())} = {readable(sum(components.values()))}"


def readable(size: float) -> str:
    """A number of bytes in words, ``2.9 MiB`` for example."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if size >= 100 else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.3g} TiB"
