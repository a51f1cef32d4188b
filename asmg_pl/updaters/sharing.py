"""Sharing the tables of an updater out among ranks, where the trainer's strategy asks for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from lightning import LightningModule
from lightning.pytorch.strategies import Strategy

from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.rows.initial import Draw, owners_draw, require_room


def tables_for(strategy: object) -> AbstractContextManager[None]:
    """A context to make an updater in: large tables have no memory yet, if the trainer's strategy shares them out.

    Args:
        strategy: of the trainer: a strategy, its class, or a word.
    """
    kind = strategy if isinstance(strategy, type) else type(strategy)
    return owners_draw() if strategy == "sharded" or issubclass(kind, ShardedTables) else nullcontext()


def share_out(
    module: LightningModule,
    recommender: Recommender,
    strategy: Strategy,
    needs_whole_tables: str | None,
    clips_gradient: bool,
    draw: Draw,
) -> None:
    """Keep this rank's rows of all tables, if the strategy is :class:`~asmg_pl.distributed.ShardedTables`.

    Args:
        module: an updater, whose tables may have been shared out already.
        recommender: its base model.
        strategy: of the trainer.
        needs_whole_tables: why the updater's method does not work with some of the rows; ``None`` if it does.
        clips_gradient: whether gradients have a largest norm, which no rank knows from its own rows.
        draw: draws this rank's rows, where the tables have no memory yet.

    Raises:
        ConfigError: if the tables cannot be shared out, or this rank's rows do not fit into memory.
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
    drawn_here = any(table.is_meta for table in recommender.parameters())
    strategy.share_out(module, recommender)
    if not drawn_here:
        return
    left = [name for name, tensor in [*module.named_parameters(), *module.named_buffers()] if tensor.is_meta]
    if left:
        raise ConfigError(
            f"{type(module).__name__} has tensors of tables' rows that no owner can draw: {', '.join(left)}. Keep such "
            "numbers in a ParameterHistory or a Recommender, or set needs_whole_tables"
        )
    require_room(recommender)
    draw.fill_all(module, recommender)
