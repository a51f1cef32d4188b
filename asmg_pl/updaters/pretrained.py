"""Starting a walk from a base model that an earlier walk has pre-trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from asmg_pl.checkpoints.growth import grow_moments, grow_state, table_growth
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.errors import CheckpointError

if TYPE_CHECKING:
    from asmg_pl.updaters import Updater

PREFIX = "recommender."


def load_pretrained(
    path: Path,
    checkpoint: Mapping[str, Any],
    updater: Updater,
    optimizer: torch.optim.Optimizer,
    data: PeriodDataModule,
) -> None:
    """Take the base model and its moments from a checkpoint; whatever else the checkpoint has is left.

    Args:
        path: where the checkpoint comes from, for messages.
        checkpoint: of any method, tables sharded as those of the recommender.
        updater: whose base model gets the weights; users, items and categories that are new since then get the rows
            that they would have had there.
        optimizer: of ``recommender.parameters()``, where the moments and pre-training's learning rate go.
        data: the stream of this walk.

    Raises:
        CheckpointError: if the checkpoint was not made just after pre-training on the same periods of the same stream,
            or belongs to another base model.
    """
    recommender, periods = updater.recommender, updater.pretrain_periods
    walk = checkpoint[type(data).__qualname__]
    data.check_same_stream(walk)
    if checkpoint["best_pretraining_epoch"] or walk["seen"] != periods:
        raise CheckpointError(
            f"{path} is not the end of a pre-training on periods 1 to {periods}: make one with asmg fit … --loop.until "
            f"{periods}"
        )
    if walk["boundaries"][: periods + 1] != data.boundaries[: periods + 1]:
        raise CheckpointError(f"{path} was pre-trained on periods that end elsewhere: give it the same data.periods")
    weights = {k.removeprefix(PREFIX): v for k, v in checkpoint["state_dict"].items() if k.startswith(PREFIX)}
    moments: dict[str, Any] = next(iter(checkpoint["optimizer_states"]), {"state": {}, "param_groups": []})
    growth = table_growth(weights, recommender.state_dict())
    updater.begin_as(checkpoint, growth)
    grow_state(weights, recommender.state_dict(), growth)
    if [group["params"] for group in moments["param_groups"]] != [
        group["params"] for group in optimizer.state_dict()["param_groups"]
    ]:
        raise CheckpointError(f"{path} has no moments for the parameters of this base model: pre-train it again")
    grow_moments(moments, recommender, growth)
    recommender.load_state_dict(weights)
    optimizer.load_state_dict(moments)
    data.seen = periods
