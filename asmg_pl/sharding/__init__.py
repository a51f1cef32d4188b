"""Tables whose rows are shared out among ranks: who owns a row, and how its vector travels."""

from asmg_pl.sharding.exchange import Owners, Traffic
from asmg_pl.sharding.layout import Layout
from asmg_pl.sharding.tables import shard, table_of

__all__ = ["Layout", "Owners", "Traffic", "shard", "table_of"]
