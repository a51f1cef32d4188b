"""Fits checkpoints to tables that have grown: new users and items start as in a fresh model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.errors import CheckpointError


def table_growth(saved: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """The saved and the present number of rows of each table, from weights named ``tables.NAME.weight``."""
    return {
        name.split(".")[1]: (len(saved[name]), len(weight))
        for name, weight in fresh.items()
        if name.startswith("tables.") and name in saved
    }


def grow(name: str, saved: Tensor, fresh: Tensor, rows: tuple[int, int] | None) -> Tensor:
    """Extend a saved tensor by the rows of ``fresh`` that it lacks.

    Args:
        name: the name of the tensor, for messages.
        saved: the tensor of the checkpoint.
        fresh: the tensor of a fresh model.
        rows: the saved and the present number of rows of the table; ``None`` if the tensor belongs to no table.

    Raises:
        CheckpointError: if the shapes differ in another dimension than the table's rows.
    """
    if saved.shape == fresh.shape:
        return saved
    changed = [(old, new) for old, new in zip(saved.shape, fresh.shape, strict=False) if old != new]
    if saved.ndim != fresh.ndim or changed != [rows] or rows is None or rows[0] > rows[1]:
        raise CheckpointError(
            f"the checkpoint's {name} has shape {list(saved.shape)}, this configuration makes it {list(fresh.shape)}: "
            "resume with the settings of the run that wrote it (config.yaml in its folder)"
        )
    grown = fresh.detach().cpu().clone()
    grown[tuple(slice(size) for size in saved.shape)] = saved.cpu()
    return grown


def grow_state(saved: dict[str, Any], fresh: Mapping[str, Any], growth: Mapping[str, tuple[int, int]]) -> None:
    """Extend every table-shaped entry of a ``state_dict`` in place.

    Raises:
        CheckpointError: if names differ, or shapes are incompatible.
    """
    if saved.keys() != fresh.keys():
        name = sorted(saved.keys() ^ fresh.keys())[0]
        where = "the checkpoint has no" if name in fresh else "this configuration has no"
        raise CheckpointError(f"{where} {name}: resume with the updater and recommender that wrote the checkpoint")
    for name, value in saved.items():
        if isinstance(value, Tensor):
            table = next((part for part in name.split(".") if part in growth), None)
            saved[name] = grow(name, value, fresh[name], growth.get(table or ""))


def grow_moments(optimizer: Mapping[str, Any], module: nn.Module, growth: Mapping[str, tuple[int, int]]) -> None:
    """Extend an optimiser's per-row state for ``module.parameters()`` in place, with zeros."""
    for position, (name, parameter) in enumerate(module.named_parameters()):
        state = optimizer["state"].get(position, {})
        table = next((part for part in name.split(".") if part in growth), "")
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim:
                state[key] = grow(f"optimiser state of {name}", value, torch.zeros_like(parameter), growth.get(table))
