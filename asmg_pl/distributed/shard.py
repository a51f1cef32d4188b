"""Turns whole tables into sharded tables."""

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
    """Keep this rank's rows of every table, snapshot and state. From now on, recommenders ask the owners of rows.

    Tensors that have no memory yet get it, and are 0.

    Args:
        module: an updater with whole tables, or large ones without memory.
        layouts: the layout of each sharded table by name; other tables stay whole.

    Returns:
        The counter of the messages of all tables.
    """
    entries = table_entries(module)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        table, axis = entries.get(name, ("", 0))
        if table in layouts or (table and tensor.is_meta):
            rows = layouts[table].cut(tensor, axis) if table in layouts else torch.zeros_like(tensor, device="cpu")
            path, _, leaf = name.rpartition(".")
            trained = isinstance(tensor, nn.Parameter)
            setattr(module.get_submodule(path), leaf, nn.Parameter(rows, tensor.requires_grad) if trained else rows)
    traffic = Traffic()
    owners = {name: Owners(layout, traffic) for name, layout in layouts.items()}
    for child in module.modules():
        if isinstance(child, Recommender):
            child.owners = owners
    return traffic
