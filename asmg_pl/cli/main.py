"""The command line: ``asmg fit | validate | test``, ``asmg convert`` and ``asmg prepare``."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.strategies import StrategyRegistry
from lightning.pytorch.utilities import rank_zero_only

from asmg_pl.callbacks import RunConfig
from asmg_pl.callbacks.checkpoint import FOLDER
from asmg_pl.callbacks.others import refuse_callback
from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.cli.config_files import ConfigFile
from asmg_pl.cli.failure import OneMessage, leave_if_mendable
from asmg_pl.cli.options import CALLBACKS, explained, refuse_word
from asmg_pl.data import PeriodDataModule
from asmg_pl.distributed.reader import tensors_in
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.system.environment import have_home, import_from_working_folder, lasting_streams
from asmg_pl.system.signals import stop_on_signals
from asmg_pl.updaters import Updater


class Parser(OneMessage, LightningArgumentParser):
    """LightningCLI's argument parser, with brief errors, and configuration files that are read strictly."""

    def add_argument(self, *names: Any, **options: Any) -> Any:
        """Add an option."""
        if names == ("-c", "--config"):  # an argument of a class may have the longer name too
            options["action"] = ConfigFile
        return super().add_argument(*names, **options)

    def explain(self, message: str) -> str:
        """The message, with what a misspelt name may have meant."""
        return explained(message)


class AsmgCLI(LightningCLI):
    """LightningCLI with the period walk's callbacks, sizes linked from the data to the model, and one seed."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's, without ``predict``: a walk scores what it is about to train on."""
        return {name: skipped for name, skipped in LightningCLI.subcommands().items() if name != "predict"}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the walk's callbacks and links."""
        for name, callback in CALLBACKS.items():
            parser.add_lightning_class_args(callback, name)
        parser.link_arguments("data.sizes", "model.init_args.sizes", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, then find the checkpoint that ``--ckpt_path last`` means, and check that it can be read."""
        super().parse_arguments(parser, args)
        self._name_classes(parser)
        config = self.config[self.config.subcommand]
        if isinstance(config.seed_everything, int) and not 0 <= config.seed_everything < 2**32:
            raise ConfigError(f"seed_everything must be from 0 to 2**32 - 1, got {config.seed_everything}")
        for flag, unset, instead in REPLACED:
            if config.trainer.get(flag, unset) not in (unset, None):
                raise ConfigError(f"trainer.{flag} cannot be used, as updaters take their own steps: {instead}")
        named = config.trainer.callbacks or []
        for callback in named if isinstance(named, list) else [named]:
            refuse_callback([callback.class_path.rpartition(".")[2]])
        for flag, unfit, reason in UNFIT:
            if config.trainer.get(flag) is unfit:
                raise ConfigError(f"trainer.{flag} cannot be {str(unfit).lower()}: {reason}")
        if config.trainer.enable_progress_bar is False:  # Lightning would refuse to have one among the callbacks
            config.trainer.enable_progress_bar, config.progress.enable = None, False
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

    def _name_classes(self, parser: LightningArgumentParser) -> None:
        """Have a class where an option of the trainer takes a class or a word, and its name has been given.

        The parser takes a bare class path for a word.
        """
        name = self.config.subcommand
        strategy = self.config[name].trainer.strategy
        if isinstance(strategy, str) and strategy.endswith(("_spawn", "_fork", "_notebook")):
            raise ConfigError(f"trainer.strategy cannot be {strategy}, whose processes cannot be given a walk: use ddp")
        for option, words in WORDS.items():
            given = self.config[name].trainer.get(option)
            if isinstance(given, str) and given.lower() not in words():
                refuse_word(option, given, words())
                settings = {name: {"trainer": {option: {"class_path": given}}}}
                self.config = parser.parse_object(settings, self.config)

    def instantiate_trainer(self, **settings: Any) -> Trainer:
        """Make the trainer.

        Raises:
            ConfigError: if it refuses its settings.
        """
        try:
            return super().instantiate_trainer(**settings)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"the trainer cannot be made: {error}") from error


#: Options of the trainer that take a class or a word, and the words that Lightning knows.
WORDS: dict[str, Callable[[], Collection[str]]] = {
    "strategy": lambda: ("auto", *StrategyRegistry.available_strategies()),
    "accelerator": lambda: ("auto", "gpu", *AcceleratorRegistry.available_accelerators()),
    "profiler": lambda: ("simple", "advanced", "pytorch", "xla"),
}

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


DESCRIPTION = (
    "Keep recommender models fresh along a stream. The subcommands below walk a stream or score a checkpoint on it. "
    "asmg convert makes a stream of tables, and asmg prepare fetches a published one. asmg compare, tune, sweep, "
    "seeds, report and reproduce walk or show several runs. Each of them has a --help."
)

#: Switches of the trainer that a walk cannot have so, and why.
UNFIT = [
    ("enable_checkpointing", False, "a walk keeps at least its newest checkpoint, see --checkpoint.keep"),
    ("barebones", True, "it takes the checkpoints away; --progress.enable false takes the bar away"),
]

#: What the program does beside LightningCLI's subcommands: a line of help, and the function, loaded when it is called.
COMMANDS = {
    "convert": ("make a stream of your own tables", "asmg_pl.cli.convert:run"),
    "prepare": ("fetch a published data set", "asmg_pl.cli.prepare:run"),
    "compare": ("walk several methods, or take runs that exist, and make one table", "asmg_pl.cli.compare:run"),
    "tune": ("choose each method's settings on the warm-up periods", "asmg_pl.cli.tune:run"),
    "sweep": ("walk methods at several values of some options", "asmg_pl.cli.sweep:run"),
    "seeds": ("walk one configuration with several seeds, and average", "asmg_pl.cli.seeds:run"),
    "report": ("write one HTML page that shows runs beside each other", "asmg_pl.cli.report:run"),
    "reproduce": ("walk the paper's data sets, and put its figures beside ours", "asmg_pl.cli.reproduce:run"),
}


def main() -> None:
    """Run the command line.

    An error that the user can mend is one message and exit status 2; a signal that asks to stop is one line and exit
    status 128 + its number.
    """
    with lasting_streams(), stop_on_signals():
        for message in IDLE_WARNINGS:
            warnings.filterwarnings("ignore", message)
        for logger in ("pytorch.utilities.rank_zero", "fabric.utilities.seed", "fabric.utilities.distributed"):
            logging.getLogger(f"lightning.{logger}").setLevel(logging.WARNING)
        have_home()
        try:
            if sys.argv[1:2] and (command := COMMANDS.get(sys.argv[1])):
                module, _, function = command[1].partition(":")
                getattr(import_module(module), function)(sys.argv[2:])
            else:
                import_from_working_folder()
                _walk()
        except Exception as error:
            leave_if_mendable(error)
            raise


def _walk() -> None:
    """Run LightningCLI."""
    AsmgCLI(
        Updater,
        PeriodDataModule,
        subclass_mode_model=True,
        parser_class=Parser,
        auto_configure_optimizers=False,
        seed_everything_default=1234,
        save_config_callback=RunConfig,
        parser_kwargs={"prog": "asmg", "description": DESCRIPTION},
        trainer_defaults={
            "max_epochs": -1,
            "reload_dataloaders_every_n_epochs": 1,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,
            "logger": False,
            "enable_model_summary": False,
            "default_root_dir": "runs/default",
            "plugins": {"class_path": "asmg_pl.checkpoints.io.AtomicCheckpointIO"},
        },
    )
