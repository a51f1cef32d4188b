"""The Lightning strategy that divides the rows of a walk's tables among ranks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy, StrategyRegistry
from torch.optim import Optimizer

from asmg_pl.distributed import checkpoint as sharded
from asmg_pl.distributed.exchange import Traffic
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.shard import shard
from asmg_pl.errors import ConfigError
from asmg_pl.generators.table_entries import table_entries
from asmg_pl.recommenders import Recommender


class ShardedTables(ModelParallelStrategy):
    """A strategy for large tables: each rank holds some rows of them, with their moments, snapshots and state.

    All other parameters are on every rank. The vectors of a mini-batch come from the ranks that own them, which look
    them up or generate them. The initial numbers are those of a single process. ``asmg fit`` and :func:`asmg_pl.walk`,
    given an updater's class, have each rank draw its own rows. An updater that is made before has whole tables on each
    rank until the walk starts; after that no rank has a whole table.

    Attributes:
        traffic: the messages and bytes of this rank so far.
        leads: where machines have run folders of their own, whether this rank makes the folders of checkpoints on its
            machine; ``None`` where all ranks see the same run folder.
    """

    def __init__(
        self,
        shards: int = 960,
        min_rows: int = 4096,
        process_group_backend: str | None = None,
        timeout: timedelta | None = timedelta(minutes=30),
    ) -> None:
        """Set the number of shards.

        Args:
            shards: the number of shards of each table, V; row i belongs to shard i mod V, and each rank owns some
                shards. It must be at least the number of ranks, and should be a multiple of it; the default is a
                multiple of 1 to 6, 8, 10, 12, 15, 16, 20, 24, 30, 32, 40, 48, 60, 64, 80, 96, … A walk keeps its number
                for ever.
            min_rows: tables with fewer rows stay whole on every rank, and their whole gradients are averaged.
            process_group_backend: the backend of :mod:`torch.distributed`; by default ``nccl`` on GPUs and ``gloo`` on
                CPUs.
            timeout: how long a rank waits for another one before it gives up.
        """
        super().__init__(process_group_backend=process_group_backend, timeout=timeout)
        if shards < 1:
            raise ConfigError(f"trainer.strategy.shards must be at least 1, got {shards}")
        self.shards = shards
        self.min_rows = min_rows
        self.traffic = Traffic()
        self.leads: bool | None = None
        self._entries = sharded.ShardedEntries({}, [], {})

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """No: the rows of tables are divided among ranks before."""
        return False

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Yes: Lightning restores the optimisers."""
        return True

    def share_out(self, module: LightningModule, recommender: Recommender) -> None:
        """Keep this rank's rows of all tables of an updater.

        Args:
            module: the updater.
            recommender: its base model.

        Raises:
            ConfigError: if there are fewer shards than ranks.
        """
        if self.shards < self.world_size:
            raise ConfigError(
                f"trainer.strategy.shards must be at least the number of ranks, {self.world_size}, got {self.shards}"
            )
        layouts = {
            name: Layout(len(table), self.shards, self.global_rank, self.world_size)
            for name, table in recommender.table_parameters().items()
            if len(table) >= self.min_rows
        }
        self.traffic = shard(module, layouts)
        parameters = [name for name, _ in recommender.named_parameters()]
        self._entries = sharded.ShardedEntries(layouts, parameters, table_entries(module))

    # ---- checkpoints: the module and the optimisers hold this rank's rows

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The module's state, with this rank's rows of tables."""
        assert self.lightning_module is not None
        return self.lightning_module.state_dict()

    def load_model_state_dict(self, checkpoint: Any, strict: bool = True) -> None:
        """Load the module's state, with this rank's rows of tables."""
        assert self.lightning_module is not None
        self.lightning_module.load_state_dict(checkpoint["state_dict"], strict=strict)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """An optimiser's state, with the moments of this rank's rows."""
        return getattr(optimizer, "optimizer", optimizer).state_dict()

    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        """Load an optimiser's state, with the moments of this rank's rows."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(state)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Write a checkpoint folder, see :mod:`asmg_pl.distributed.checkpoint`."""
        leads = self.is_global_zero if self.leads is None else self.leads
        sharded.write(checkpoint, self._seen_here(filepath), self._entries, leads)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint folder, or the checkpoint file of a walk with whole tables."""
        torch.cuda.empty_cache()
        return sharded.read(self._seen_here(checkpoint_path), self._entries)

    def _seen_here(self, path: Any) -> Path:
        """The path of a checkpoint on this machine."""
        return Path(self.broadcast(path) if self.leads is None else path)


#: ``--trainer.strategy sharded`` and ``Trainer(strategy="sharded")``.
StrategyRegistry.register("sharded", ShardedTables, description="Tables shared out among ranks", override=True)
