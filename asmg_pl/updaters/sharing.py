"""Sharing the tables of an updater out among ranks, where the trainer's strategy asks for it."""

from __future__ import annotations

from lightning import LightningModule
from lightning.pytorch.strategies import Strategy

from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import Recommender


def share_out(
    module: LightningModule,
    recommender: Recommender,
    strategy: Strategy,
    needs_whole_tables: str | None = None,
    clips_gradient: bool = False,
) -> None:
    """Keep this rank's rows of all tables, if the strategy is :class:`~asmg_pl.distributed.ShardedTables`.

    Args:
        module: an updater, whose tables may have been shared out already.
        recommender: its base model.
        strategy: of the trainer.
        needs_whole_tables: why the updater's method does not work with some of the rows; ``None`` if it does.
        clips_gradient: whether gradients have a largest norm, which no rank knows from its own rows.

    Raises:
        ConfigError: if the tables cannot be shared out.
    """
    if not isinstance(strategy, ShardedTables) or recommender.owners:
        return
    if needs_whole_tables:
        raise ConfigError(
            f"{type(module).__name__} does not work with sharded tables: {needs_whole_tables}. Choose another method, "
            "or trainer.strategy ddp"
        )
    if clips_gradient:
        raise ConfigError("model.gradient_clip does not work with sharded tables: leave it out")
    strategy.share_out(module, recommender)
