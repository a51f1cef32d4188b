"""Fitting a checkpoint to an updater whose stream has grown since: tables, snapshots and moments get more rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from asmg_pl.checkpoints.growth import grow_moments, grow_state, table_growth
from asmg_pl.checkpoints.values import check_infinite
from asmg_pl.generators.table_entries import histories_in
from asmg_pl.recommenders import Recommender


def lengthen_histories(checkpoint: Mapping[str, Any], module: nn.Module) -> None:
    """Give the histories that keep all snapshots room for as many as the checkpoint has."""
    for path, history in histories_in(module):
        snapshots = checkpoint["state_dict"].get(f"{path}dense")
        if history.grows and snapshots is not None:
            history.resize(len(snapshots))


def growth_since(checkpoint: Mapping[str, Any], recommender: Recommender) -> dict[str, tuple[int, int]]:
    """Rows of each table of the base model, in the checkpoint and now."""
    saved = {name.removeprefix("recommender."): value for name, value in checkpoint["state_dict"].items()}
    return table_growth(saved, recommender.state_dict())


def grow_checkpoint(
    checkpoint: Mapping[str, Any],
    module: nn.Module,
    recommender: Recommender,
    growth: Mapping[str, tuple[int, int]],
) -> None:
    """Extend a checkpoint's parameters, and the moments of the base model, in place.

    Args:
        checkpoint: to be loaded into the module.
        module: an updater as it stands before; the new rows are taken from it.
        recommender: its base model.
        growth: see :func:`growth_since`.

    Raises:
        CheckpointError: if the checkpoint belongs to another configuration.
        Flaw: if it has numbers that are infinite.
    """
    grow_state(checkpoint["state_dict"], module.state_dict(), growth)
    check_infinite(checkpoint["state_dict"], module.state_dict())
    for optimizer in checkpoint["optimizer_states"][:1]:
        grow_moments(optimizer, recommender, growth)
