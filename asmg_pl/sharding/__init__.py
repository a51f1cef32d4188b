"""Tables whose rows are shared out among ranks: who owns a row, how its vector travels, how it is saved."""

from asmg_pl.sharding.exchange import Owners, Traffic
from asmg_pl.sharding.layout import Layout
from asmg_pl.sharding.strategy import ShardedTables
from asmg_pl.sharding.tables import shard

__all__ = ["Layout", "Owners", "ShardedTables", "Traffic", "shard"]
