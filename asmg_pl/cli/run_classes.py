"""The classes of a walk, made anew from the ``config.yaml`` in its run folder."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from asmg_pl.callbacks import PeriodLoop, PhaseCheckpoint, RunConfig
from asmg_pl.callbacks.defaults import TRAINER_DEFAULTS
from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.cli.commands.fit import AsmgCLI, Parser
from asmg_pl.data import PeriodDataModule
from asmg_pl.distributed import ShardedTables
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import Updater

#: The configuration in a run folder.
CONFIG = "config.yaml"


class WalkClasses(AsmgCLI):
    """LightningCLI that makes updater and data of a walk, and walks nothing."""

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of a walk, with those of ``asmg fit`` that a run's configuration names too."""
        super().add_core_arguments_to_parser(parser)
        parser.add_argument("--ckpt_path", help="has no effect")
        parser.add_argument("--weights_only", help="has no effect")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; no checkpoint is looked for."""
        LightningCLI.parse_arguments(self, parser, args)

    def instantiate_trainer(self, **settings: object) -> Trainer:
        """A trainer for one process on the walk's kind of device, which reads checkpoints as the walk does.

        Args:
            settings: arguments of the trainer that come first.
        """
        given = self.config_init["trainer"]
        shares = isinstance(given["strategy"], ShardedTables) or given["strategy"] == "sharded"
        own = {name: given[name] for name in ("accelerator", "precision", "default_root_dir")}
        own |= {
            "devices": 1,
            "strategy": copy.deepcopy(given["strategy"]) if shares else "auto",
            "plugins": AtomicCheckpointIO(),
        }
        return Trainer(**{**TRAINER_DEFAULTS, **own, "enable_progress_bar": False, **settings})


def walk_of(folder: Path, command: str, options: Sequence[str] = ()) -> WalkClasses:
    """Make the classes of a run's walk: ``model`` and ``datamodule``.

    Args:
        folder: the run folder.
        command: of ``asmg``, for messages.
        options: of ``asmg fit``, laid over the run's.

    Raises:
        ConfigError: if the folder has no configuration.
        SystemExit: with 2 and one message, if an option or the configuration is wrong.
    """
    config = folder / CONFIG
    if not config.is_file():
        raise ConfigError(f"there is no {config}: give the folder of a run of asmg fit")
    before = sys.argv
    sys.argv = [
        before[0],
        "--config",
        str(config),
        "--trainer.default_root_dir",
        str(folder),
        *options,
    ]  # where LightningCLI looks
    try:
        return WalkClasses(
            Updater,
            PeriodDataModule,
            subclass_mode_model=True,
            run=False,
            parser_class=Parser,
            auto_configure_optimizers=False,
            seed_everything_default=1234,
            parser_kwargs={"prog": f"asmg {command}"},
            trainer_defaults={"default_root_dir": str(folder), "callbacks": []},
        )
    finally:
        sys.argv = before


def trainer_of(walk: WalkClasses) -> Callable[[list[Callback]], Trainer]:
    """Makes trainers that score the walk's checkpoints, and refuse those of another walk."""

    def make(callbacks: list[Callback]) -> Trainer:
        config = RunConfig(walk.parser, walk.config)
        return walk.instantiate_trainer(callbacks=[PeriodLoop(), config, *callbacks, PhaseCheckpoint()])

    return make
