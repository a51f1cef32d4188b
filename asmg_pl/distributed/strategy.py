"""The strategy of Lightning under which a walk's tables are shared out among ranks."""

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
    """Each rank holds some rows of every large table, with their moments, snapshots and state; all else is replicated.

    A mini-batch's vectors are asked of the ranks that own them, which look them up or generate them; no rank ever sees
    a whole table after the start. There, each draws the initial tables whole on the CPU, as a single process does, and
    keeps its rows: so the numbers are those of a single process, and the machine's memory must hold one whole model for
    each of its ranks.

    Attributes:
        traffic: what the exchange of vectors has cost this rank so far.
    """

    def __init__(
        self,
        shards: int = 960,
        min_rows: int = 4096,
        process_group_backend: str | None = None,
        timeout: timedelta | None = timedelta(minutes=30),
    ) -> None:
        """Say what is shared out.

        Args:
            shards: shards of each table, V, which are what ranks own: row i belongs to shard i mod V. There must be at
                least as many as ranks, and should be a multiple; the default is one of 1 to 6, 8, 10, 12, 15, 16, 20,
                24, 30, 32, 40, 48, 60, 64, 80, 96, … ranks. A walk keeps its number for ever.
            min_rows: tables with fewer rows stay on every rank, and their gradients are added up whole.
            process_group_backend: of :mod:`torch.distributed`; by default ``nccl`` on GPUs and ``gloo`` on CPUs.
            timeout: how long a rank waits for another one before it gives up.
        """
        super().__init__(process_group_backend=process_group_backend, timeout=timeout)
        if shards < 1:
            raise ConfigError(f"trainer.strategy.shards must be at least 1, got {shards}")
        self.shards = shards
        self.min_rows = min_rows
        self.traffic = Traffic()
        self._entries = sharded.ShardedEntries({}, [], {})

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """No: the tables are shared out before."""
        return False

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Yes."""
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

    # ---- checkpoints: what the module and the optimisers hold are this rank's rows

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The module's state, tables with this rank's rows."""
        assert self.lightning_module is not None
        return self.lightning_module.state_dict()

    def load_model_state_dict(self, checkpoint: Any, strict: bool = True) -> None:
        """Take it back."""
        assert self.lightning_module is not None
        self.lightning_module.load_state_dict(checkpoint["state_dict"], strict=strict)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """An optimiser's state, moments with this rank's rows."""
        return getattr(optimizer, "optimizer", optimizer).state_dict()

    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        """Take it back."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(state)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Write a folder, see :mod:`asmg_pl.distributed.checkpoint`."""
        sharded.write(checkpoint, Path(self.broadcast(filepath)), self._entries)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a folder, or a file of a walk with whole tables."""
        torch.cuda.empty_cache()
        return sharded.read(Path(self.broadcast(checkpoint_path)), self._entries)


#: ``--trainer.strategy sharded`` and ``Trainer(strategy="sharded")``.
StrategyRegistry.register("sharded", ShardedTables, description="Tables shared out among ranks", override=True)
