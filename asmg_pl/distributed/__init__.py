"""Tables whose rows are shared out among ranks: who owns a row, how its vector travels, how it is saved."""

from asmg_pl.distributed.exchange import Owners, Traffic
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.shard import shard
from asmg_pl.distributed.strategy import ShardedTables

__all__ = ["Layout", "Owners", "ShardedTables", "Traffic", "shard"]
