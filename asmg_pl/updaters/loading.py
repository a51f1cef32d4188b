"""Fitting a checkpoint to an updater whose stream has grown since: tables, snapshots and moments get more rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from asmg_pl.checkpoints.growth import grow_moments, grow_state, table_growth
from asmg_pl.checkpoints.values import check_infinite
from asmg_pl.errors import CheckpointError
from asmg_pl.generators.table_entries import histories_in
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.pretraining import PREFIX, Growth, Pretraining


def check_method(saved: str, method: str) -> None:
    """Check that a checkpoint is one of the method that is to go on from it.

    Raises:
        CheckpointError: if it is one of another method.
    """
    if saved != method:
        raise CheckpointError(
            f"the checkpoint is one of {saved}, not of {method}: resume with the updater and recommender that wrote "
            "the checkpoint"
        )


def fit_to_stream(
    checkpoint: Mapping[str, Any],
    module: nn.Module,
    recommender: Recommender,
    pretraining: Pretraining,
    begin_as: Callable[[Mapping[str, Any], Growth], None],
) -> None:
    """Give a checkpoint's parameters and moments, in place, the rows that the module has and they lack.

    Args:
        checkpoint: to be loaded into the module, with the states that wait in a race of settings.
        module: an updater as it stands before.
        recommender: its base model.
        pretraining: with the checkpoint's best epoch so far, whose tables grow too.
        begin_as: takes over the numbers that rows start from which the checkpoint's tables lack.

    Raises:
        CheckpointError: if the checkpoint belongs to another configuration.
        Flaw: if it has numbers that are infinite.
    """
    for path, history in histories_in(module):
        snapshots = checkpoint["state_dict"].get(f"{path}dense")
        if history.grows and snapshots is not None:
            history.resize(len(snapshots))
        history.forget(checkpoint["state_dict"], path)
    saved = {name.removeprefix(PREFIX): value for name, value in checkpoint["state_dict"].items()}
    growth = table_growth(saved, recommender.state_dict())
    begin_as(checkpoint, growth)
    waiting = checkpoint.get("self_tuning", {}).get("waiting", {})
    for state in (checkpoint, *waiting.values()):
        grow_state(state["state_dict"], module.state_dict(), growth)
        check_infinite(state["state_dict"], module.state_dict())
        for optimizer in state["optimizer_states"][:1]:
            grow_moments(optimizer, recommender, growth)
    pretraining.grow_best(growth)
