"""Finds the tensors of a module that have the rows of a table, by the classes of submodules, whatever their names."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from asmg_pl.generators.history import ParameterHistory
from asmg_pl.recommenders import Recommender


def models_in(module: nn.Module) -> Iterator[tuple[str, Recommender]]:
    """The recommenders with tables within a module, each with its path, which is empty or ends with a dot."""
    for path, part in module.named_modules():
        if isinstance(part, Recommender) and "tables" in dict(part.named_children()):
            yield path and f"{path}.", part


def histories_in(module: nn.Module) -> Iterator[tuple[str, ParameterHistory]]:
    """The histories within a module, each with its path, which is empty or ends with a dot."""
    for path, part in module.named_modules():
        if isinstance(part, ParameterHistory):
            yield path and f"{path}.", part


def table_entries(module: nn.Module) -> dict[str, tuple[str, int]]:
    """The tensors that have a table's rows.

    Returns:
        By name in the module's ``state_dict``: the table, and the axis of the tensor along which the rows stand.
    """
    entries: dict[str, tuple[str, int]] = {}
    for path, model in models_in(module):
        entries |= {f"{path}tables.{name}.weight": (name, 0) for name in model.tables}
    for path, history in histories_in(module):
        entries |= {f"{path}tables.{name}": (name, 1) for name, _ in history.tables.named_buffers()}  # [k, N, D]
        entries |= {f"{path}hidden.{name}": (name, 0) for name, _ in history.hidden.named_buffers()}
        if counts := history.counts:
            entries |= {f"{path}counts.asked.{name}": (name, 0) for name, _ in counts.asked.named_buffers()}
            entries |= {f"{path}counts.snapshots.{name}": (name, 1) for name, _ in counts.snapshots.named_buffers()}
    return entries
