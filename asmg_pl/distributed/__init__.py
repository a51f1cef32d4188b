"""Sharded tables, whose rows are divided among ranks: their owners, the exchange of vectors, and checkpoints."""

from asmg_pl.distributed.exchange import Owners, Traffic
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.shard import shard
from asmg_pl.distributed.strategy import ShardedTables

__all__ = ["Layout", "Owners", "ShardedTables", "Traffic", "shard"]
