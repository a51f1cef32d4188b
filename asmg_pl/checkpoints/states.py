"""Checks of parameters, buffers and moments within a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from asmg_pl.checkpoints.values import Flaw, integer, mapping, number, sequence, shown, tensor


def state_dict(entry: str, value: Any) -> None:
    """Check a module's ``state_dict``."""
    if not mapping(entry, value):
        raise Flaw(entry, "is empty")
    for name, inner in value.items():
        if isinstance(inner, Tensor):
            tensor(f"{entry}.{name}", inner, finite=False)  # a mask may be infinite
        elif name.endswith("_extra_state"):
            if isinstance(inner, dict) and "pushes" in inner:
                integer(f"{entry}.{name}.pushes", inner["pushes"])
        elif inner is not None:  # a folder keeps the rows of sharded tables in files of their own
            raise Flaw(f"{entry}.{name}", f"must be a tensor, not {shown(inner)}")


def optimizer_states(entry: str, value: Any) -> None:
    """Check the ``state_dict`` of each optimiser."""
    for position, state in enumerate(sequence(entry, value)):
        optimizer_state(f"{entry}[{position}]", state)


def optimizer_state(entry: str, value: Any) -> None:
    """Check the ``state_dict`` of an optimiser."""
    if mapping(entry, value).keys() != {"state", "param_groups"}:
        raise Flaw(entry, "must have the keys state and param_groups")
    numbers = [
        parameter
        for position, group in enumerate(sequence(f"{entry}.param_groups", value["param_groups"]))
        for parameter in _param_group(f"{entry}.param_groups[{position}]", group)
    ]
    for parameter, state in mapping(f"{entry}.state", value["state"], int).items():
        here = f"{entry}.state.{parameter}"
        if parameter not in numbers:
            raise Flaw(here, "belongs to no parameter")
        for name, inner in mapping(here, state).items():
            if name in ("step", "exp_avg_sq", "max_exp_avg_sq", "sum") and inner is not None:
                tensor(f"{here}.{name}", torch.as_tensor(inner), least=0)
            elif isinstance(inner, Tensor):
                tensor(f"{here}.{name}", inner)


def _param_group(entry: str, value: Any) -> Sequence[int]:
    group = mapping(entry, value)
    number(f"{entry}.lr", group.get("lr"))
    if group["lr"] <= 0:
        raise Flaw(f"{entry}.lr", f"must be above 0, not {group['lr']}")
    if "steps" in group:
        integer(f"{entry}.steps", group["steps"])
    if "eps" in group:
        number(f"{entry}.eps", group["eps"], least=0)
    parameters = sequence(f"{entry}.params", group.get("params"))
    for parameter in parameters:
        integer(f"{entry}.params", parameter)
    return parameters


def best_epoch(entry: str, value: Any) -> None:
    """Check the best epoch of pre-training so far."""
    if not mapping(entry, value):
        return
    if value.keys() != {"score", "weights", "optimizer"}:
        raise Flaw(entry, "must have the keys score, weights and optimizer")
    number(f"{entry}.score", value["score"])
    state_dict(f"{entry}.weights", value["weights"])
    optimizer_state(f"{entry}.optimizer", value["optimizer"])
