"""Sharing the tables of an updater out among ranks, where the trainer's strategy asks for it."""

from __future__ import annotations

from lightning import LightningModule
from lightning.pytorch.strategies import Strategy

from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import Recommender


def share_out(module: LightningModule, recommender: Recommender, strategy: Strategy, refusal: str | None) -> None:
    """Keep this rank's rows of all tables, if the strategy is :class:`~asmg_pl.distributed.ShardedTables`.

    Args:
        module: an updater, whose tables may have been shared out already.
        recommender: its base model.
        strategy: of the trainer.
        refusal: why the updater's tables cannot be shared out, and the mend; ``None`` if they can.

    Raises:
        ConfigError: if they cannot.
    """
    if not isinstance(strategy, ShardedTables) or recommender.owners:
        return
    if refusal is not None:
        raise ConfigError(refusal)
    strategy.share_out(module, recommender)
