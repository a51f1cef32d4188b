"""The learning rates of a base model's tables and dense parameters, in the groups of its optimiser.

The groups stand in the order of ``recommender.parameters()``, so that the number of a parameter in a checkpoint does
not depend on them:

    one rate         [ tables and dense parameters        ]
    two rates        [ tables       ][ dense parameters   ]        each of its own rate
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.optim.adam import Adam

Group = dict[str, Any]


@dataclass(frozen=True)
class Rates:
    """Two learning rates.

    Attributes:
        dense: of dense parameters.
        tables: of tables; ``None`` for that of dense parameters, in one group with them.
    """

    dense: float
    tables: float | None = None

    def groups(self, recommender: Recommender) -> list[Group]:
        """The parameters of a base model, for an optimiser."""
        if self.tables is None:
            return [{"params": list(recommender.parameters()), "lr": self.dense}]
        tables = _tables(recommender)
        runs = groupby(recommender.parameters(), key=lambda parameter: id(parameter) in tables)
        return [{"params": list(run), "lr": self.tables if of_tables else self.dense} for of_tables, run in runs]

    def set(self, optimizer: torch.optim.Optimizer, recommender: Recommender) -> None:
        """Give these rates to an optimiser, each of whose groups has tables alone or dense parameters alone."""
        tables = _tables(recommender)
        for group in optimizer.param_groups:
            of_tables = self.tables is not None and id(group["params"][0]) in tables
            group["lr"] = self.tables if of_tables else self.dense


def _tables(recommender: Recommender) -> set[int]:
    return {id(table) for table in recommender.table_parameters().values()}


def adopted(saved: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The ``state_dict`` of an optimiser in the groups of another one, which has the same parameters in the same order.

    A parameter that the other one moves by another rule begins anew, and so do all if ``saved`` has no groups.
    """
    if not isinstance(optimizer, Adam):
        return dict(saved)
    own = optimizer.state_dict()
    counted = {key: value for group in saved["param_groups"] for key, value in group.items() if key in ("steps", "eps")}
    places = enumerate(parameter for group in optimizer.param_groups for parameter in group["params"])
    of_rule = {place for place, parameter in places if id(parameter) in optimizer.apart}
    kept = {place: state for place, state in saved["state"].items() if ("exp_avg" in state) != (place in of_rule)}
    if [group["params"] for group in saved["param_groups"]] == [group["params"] for group in own["param_groups"]]:
        return {"state": kept, "param_groups": saved["param_groups"]}
    return {"state": kept, "param_groups": [group | counted for group in own["param_groups"]]}
