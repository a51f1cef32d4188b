"""The command line: ``asmg fit | validate | test``, ``asmg convert`` and ``asmg prepare``."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from asmg_pl.callbacks import (
    PeriodLoop,
    PeriodProgress,
    PeriodReport,
    PhaseCheckpoint,
    RunConfig,
    ServingExport,
    WandbRun,
)
from asmg_pl.callbacks.checkpoint import FOLDER
from asmg_pl.checkpoint_io import newest_first, read_checkpoint
from asmg_pl.convert.command import run as convert
from asmg_pl.data import PeriodDataModule
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.failure import OneMessage, leave_if_mendable
from asmg_pl.prepare.command import run as prepare
from asmg_pl.sharding.reader import tensors_in
from asmg_pl.updaters import Updater


class Parser(OneMessage, LightningArgumentParser):
    """LightningCLI's argument parser, with brief errors."""


class AsmgCLI(LightningCLI):
    """LightningCLI with the period walk's callbacks, sizes linked from the data to the model, and one seed."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the walk's callbacks and links."""
        parser.add_lightning_class_args(PeriodLoop, "loop")
        parser.add_lightning_class_args(PeriodReport, "report")
        parser.add_lightning_class_args(PeriodProgress, "progress")
        parser.add_lightning_class_args(WandbRun, "wandb")
        parser.add_lightning_class_args(PhaseCheckpoint, "checkpoint")
        parser.add_lightning_class_args(ServingExport, "export")
        parser.link_arguments("data.sizes", "model.init_args.sizes", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, then find the checkpoint that ``--ckpt_path last`` means, and check that it can be read."""
        super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        if isinstance(config.seed_everything, int) and not 0 <= config.seed_everything < 2**32:
            raise ConfigError(f"seed_everything must be from 0 to 2**32 - 1, got {config.seed_everything}")
        for flag, unset, instead in REPLACED:
            if config.trainer.get(flag, unset) not in (unset, None):
                raise ConfigError(f"trainer.{flag} cannot be used, as updaters take their own steps: {instead}")
        if config.get("ckpt_path") is None:
            if self.config.subcommand in ("validate", "test"):
                raise ConfigError("there is no model to score: name a checkpoint with --ckpt_path, or give 'last'")
            return
        if config.ckpt_path == "last":
            folder = Path(config.trainer.default_root_dir or ".") / FOLDER
            checkpoints = newest_first(folder)
            if not checkpoints and self.config.subcommand != "fit":
                raise CheckpointError(f"there is no checkpoint in {folder}: run asmg fit first, or name a file")
            if not checkpoints:
                rank_zero_only(print)(f"there is no checkpoint in {folder} yet: the walk starts at the beginning")
            config.ckpt_path = str(checkpoints[0]) if checkpoints else None
        if config.ckpt_path is not None:
            path = Path(config.ckpt_path)
            read_checkpoint(path)
            if path.is_dir():
                tensors_in(path)

    def _parse_ckpt_path(self) -> None:
        """Take no settings from the checkpoint: LightningCLI would import the classes that the file names."""


#: Warnings of Lightning that tell the user of a walk nothing: about its own dependencies, and about short phases and
#: fitting without validation, which are meant.
IDLE_WARNINGS = (".*LeafSpec.*", "Total length of .* across ranks is zero.*", "The number of training batches .*")


#: Options of the trainer that Lightning refuses where a module takes its own steps, their default, and what to give.
REPLACED = [
    ("gradient_clip_val", 0.0, "give --model.init_args.gradient_clip, the largest norm of a step's gradient"),
    (
        *("accumulate_grad_batches", 1),
        "give --data.accumulate, the parts in which a mini-batch is gone over, and --data.batch_size, a step's rows",
    ),
]


#: What the program does beside LightningCLI's subcommands.
COMMANDS = {"convert": convert, "prepare": prepare}


def main() -> None:
    """Run the command line.

    An error that the user can mend is one message and exit status 2; a walk that was asked to terminate exits with 143.
    """
    for message in IDLE_WARNINGS:
        warnings.filterwarnings("ignore", message)
    for logger in ("pytorch.utilities.rank_zero", "fabric.utilities.seed", "fabric.utilities.distributed"):
        logging.getLogger(f"lightning.{logger}").setLevel(logging.WARNING)
    try:
        if sys.argv[1:2] and (command := COMMANDS.get(sys.argv[1])):
            command(sys.argv[2:])
            return
        AsmgCLI(
            Updater,
            PeriodDataModule,
            subclass_mode_model=True,
            parser_class=Parser,
            auto_configure_optimizers=False,
            seed_everything_default=1234,
            save_config_callback=RunConfig,
            load_from_checkpoint_support=False,  # nor do checkpoints name classes
            trainer_defaults={
                "max_epochs": -1,
                "reload_dataloaders_every_n_epochs": 1,
                "num_sanity_val_steps": 0,
                "use_distributed_sampler": False,
                "logger": False,
                "enable_model_summary": False,
                "default_root_dir": "runs/default",
            },
        )
    except SIGTERMException:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        leave_if_mendable(error)
        raise
