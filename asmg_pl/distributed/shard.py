"""From whole tables to those of which this rank holds its rows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from asmg_pl.distributed.exchange import Owners, Traffic
from asmg_pl.distributed.layout import Layout
from asmg_pl.generators.table_entries import table_entries
from asmg_pl.recommenders import Recommender


@torch.no_grad()
def shard(module: nn.Module, layouts: Mapping[str, Layout]) -> Traffic:
    """Keep this rank's rows of every table, snapshot and state; recommenders ask the owners from now on.

    Args:
        module: an updater, all of whose tables are whole.
        layouts: by table, who owns which rows; tables that are not there stay whole.

    Returns:
        Where the messages of all tables will be counted.
    """
    entries = table_entries(module)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        table, axis = entries.get(name, ("", 0))
        if table in layouts:
            rows = layouts[table].cut(tensor, axis)
            path, _, leaf = name.rpartition(".")
            trained = isinstance(tensor, nn.Parameter)
            setattr(module.get_submodule(path), leaf, nn.Parameter(rows, tensor.requires_grad) if trained else rows)
    traffic = Traffic()
    owners = {name: Owners(layout, traffic) for name, layout in layouts.items()}
    for part in module.modules():
        if isinstance(part, Recommender):
            part.owners = owners
    return traffic
