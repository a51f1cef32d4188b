"""Checkpoints of a version that named the tables of context features by number."""

from __future__ import annotations

from typing import Any

import torch

from asmg_pl.checkpoints.former_names import rename_tables
from asmg_pl.data.sizes import Feature, Sizes
from asmg_pl.recommenders import DeepFM

FEATURES = (Feature("device", "row", 2), Feature("hour", "row", 3))
NAMED = list(DeepFM(Sizes(9, 9, context=(2, 3), context_features=FEATURES)).tables)


def saved() -> dict[str, Any]:
    return {
        "state_dict": {
            "recommender.tables.user.weight": torch.zeros(9, 2),
            "recommender.tables.context_0.weight": torch.zeros(2, 2),
            "history.tables.context_1": torch.ones(3, 2),
            "recommender.tables.context_1_weight.weight": torch.ones(3, 1),
            "recommender.mlp.0.bias": torch.zeros(1),
        },
        "initial": {"seed": 1, "known": {"user": 9, "context_0": 2}},
        "learned": {11: {"context_1": {"update": 0.5}}},
    }


def test_tables_get_the_names_of_their_features_and_keep_their_order() -> None:
    checkpoint = saved()
    rename_tables(checkpoint, NAMED)
    assert list(checkpoint["state_dict"]) == [
        "recommender.tables.user.weight",
        "recommender.tables.context[device].weight",
        "history.tables.context[hour]",
        "recommender.tables.context[hour]_weight.weight",
        "recommender.mlp.0.bias",
    ]
    assert checkpoint["state_dict"]["history.tables.context[hour]"].shape == (3, 2)
    assert checkpoint["initial"] == {"seed": 1, "known": {"user": 9, "context[device]": 2}}
    assert checkpoint["learned"] == {11: {"context[hour]": {"update": 0.5}}}


def test_a_checkpoint_with_names_stays_as_it_is() -> None:
    checkpoint = saved()
    rename_tables(checkpoint, NAMED)
    names = list(checkpoint["state_dict"])
    rename_tables(checkpoint, NAMED)
    assert list(checkpoint["state_dict"]) == names


def test_without_names_nothing_is_renamed() -> None:
    checkpoint = saved()
    rename_tables(checkpoint, DeepFM(Sizes(9, 9, context=(2, 3))).tables)
    assert list(checkpoint["state_dict"]) == list(saved()["state_dict"])
