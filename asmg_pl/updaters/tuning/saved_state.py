"""A checkpoint in memory: everything of an updater that a walk changes, taken out and put back between phases.

state_dict, optimizer_states      parameters, buffers and moments
exemplars, reservoir, …           whatever else the method writes into its checkpoints
"""

from __future__ import annotations

import copy
from typing import Any

from lightning import LightningModule

#: Entries of an updater's checkpoint that belong to the walk, and not to the models.
OF_THE_WALK = ("results", "learned", "best_pretraining_epoch", "initial", "method", "self_tuning")

SavedState = dict[str, Any]


def taken(updater: LightningModule) -> SavedState:
    """Copy an updater's state, on the device where it is."""
    entries: dict[str, Any] = {}
    updater.on_save_checkpoint(entries)
    own = {name: entry for name, entry in entries.items() if name not in OF_THE_WALK}
    moments = [optimizer.state_dict() for optimizer in updater.trainer.optimizers]
    return copy.deepcopy({"state_dict": updater.state_dict(), "optimizer_states": moments, **own})


def put_back(updater: LightningModule, state: SavedState) -> None:
    """Give an updater a state, of which the updater keeps no part."""
    entries: dict[str, Any] = {}
    updater.on_save_checkpoint(entries)
    del entries["self_tuning"]
    entries |= copy.deepcopy({name: entry for name, entry in state.items() if name != "state_dict"})
    updater.on_load_checkpoint({**entries, "state_dict": dict(state["state_dict"])})
    updater.load_state_dict(state["state_dict"])
    for optimizer, moments in zip(updater.trainer.optimizers, entries["optimizer_states"], strict=True):
        optimizer.load_state_dict(moments)
