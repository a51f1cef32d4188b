"""``asmg fit``, ``asmg validate`` and ``asmg test``: LightningCLI with the callbacks of a walk."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

import asmg_pl.data.cutting.calendar  # noqa: F401  # options name its classes without their module
from asmg_pl.callbacks import RunConfig
from asmg_pl.callbacks.checkpoint import FOLDER
from asmg_pl.callbacks.defaults import CALLBACKS, TRAINER_DEFAULTS
from asmg_pl.callbacks.mirror import RunMirror
from asmg_pl.checkpoints.archive import FILES as NOTES
from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.cli.config_files import ConfigFile, file_with
from asmg_pl.cli.failure import OneMessage
from asmg_pl.cli.next_steps import NextSteps
from asmg_pl.cli.options import explained
from asmg_pl.cli.trainer_options import check_trainer, classes_given_as_words
from asmg_pl.data import PeriodDataModule
from asmg_pl.distributed.launched import check_launched, counts_of_torchrun
from asmg_pl.distributed.reader import tensors_in
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.serving.store import about_versions
from asmg_pl.storage.address import is_address
from asmg_pl.storage.copy import Copy, bring
from asmg_pl.updaters import Updater
from asmg_pl.updaters.sharing import tables_for

log = logging.getLogger(__name__)


def fit(arguments: Sequence[str]) -> None:
    """Walk a stream."""
    run("fit", arguments)


def validate(arguments: Sequence[str]) -> None:
    """Score a checkpoint's serving model on the period after it."""
    run("validate", arguments)


def test(arguments: Sequence[str]) -> None:
    """Score a checkpoint's serving model on all periods after it."""
    run("test", arguments)


def run(command: str, arguments: Sequence[str], next_steps: bool = True) -> None:
    """Run one of LightningCLI's commands.

    Args:
        command: ``fit``, ``validate`` or ``test``.
        arguments: after the command.
        next_steps: whether a walk ends with what its user may do next.

    Raises:
        UserError: if something is wrong that the user can mend.
    """
    sys.argv[1:] = [command, *arguments]  # where LightningCLI and the processes that Lightning launches look
    AsmgCLI(
        Updater,
        PeriodDataModule,
        subclass_mode_model=True,
        parser_class=Parser,
        auto_configure_optimizers=False,
        seed_everything_default=1234,
        save_config_callback=RunConfig,
        parser_kwargs={
            "prog": "asmg",
            command: {"description": DESCRIPTIONS[command], "usage": f"asmg {command} [--config FILE] [option ...]"},
        },
        trainer_defaults={
            **TRAINER_DEFAULTS,
            "default_root_dir": "runs/default",
            "plugins": {"class_path": "asmg_pl.checkpoints.io.AtomicCheckpointIO"},
            "callbacks": [NextSteps()] if next_steps else [],
        },
    )


#: What the help of a command begins with.
DESCRIPTIONS = {
    "fit": "Walk a stream period by period: score, then train. Options may stand in files, see --config.",
    "validate": "Score a checkpoint's serving model on the period after the checkpoint, without training on it.",
    "test": "Score a checkpoint's serving model on all periods after the checkpoint, without training on them.",
}

#: What an option means in a walk, where Lightning says something more general.
HELP = {
    "--config": "file of settings, or the name of an installed one, like demo; may be given more than once",
    "--seed_everything": "seed of all random numbers of the walk",
    "--ckpt_path": "checkpoint to go on from, or to score; last is the newest one of the run folder",
    "--weights_only": "has no effect: reading a checkpoint of a walk never runs code",
}

#: Titles of the groups of options in the help.
TITLES = {
    "model": "model: the method, with its recommender and its generator",
    "data": "data: the stream, its periods and mini-batches",
    "loop": "loop: how far the walk goes",
    "checkpoint": "checkpoint: what is kept to go on from",
    "progress": "progress: the bar",
    "export": "export: serving models for other programs",
    "wandb": "wandb: the run on Weights & Biases, if a project is named",
    "heartbeat": "heartbeat: signs of life among several processes",
    "trainer": "trainer: Lightning's own options, of which a walk needs few",
}


class Parser(OneMessage, LightningArgumentParser):
    """LightningCLI's argument parser, with brief errors, and configuration files that are read strictly."""

    def add_argument(self, *names: Any, **options: Any) -> Any:
        """Add an option."""
        if names == ("-c", "--config"):  # an argument of a class may have the longer name too
            options["action"] = ConfigFile
        if names[-1] in HELP and options.get("help"):
            options["help"] = HELP[names[-1]]
        return super().add_argument(*names, **options)

    def add_method_arguments(self, *method: Any, **options: Any) -> list[str]:
        """Add a command's own options, like ``--ckpt_path``, to the first ones of the help."""
        return super().add_method_arguments(*method, **options | {"as_group": False})

    def explain(self, message: str) -> str:
        """The message, with what a misspelt name may have meant, and the configuration file that has it."""
        key = re.search(r"(?:Option|Key|key|accept option) ['\"]([\w.]+)['\"]", message)
        file = file_with(key[1], sys.argv) if key else None
        return explained(message) + (f"\n{key[1]} stands in {file}" if key and file else "")


class AsmgCLI(LightningCLI):
    """LightningCLI with the period walk's callbacks, sizes linked from the data to the model, and one seed."""

    _copy: Copy | None = None  # of the run folder, if that is at an address

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The one that is called, since the options of each take a third of a second to set up.

        There is no ``predict``: a walk scores what it is about to train on.
        """
        known = {name: skipped for name, skipped in LightningCLI.subcommands().items() if name in DESCRIPTIONS}
        return {name: skipped for name, skipped in known.items() if name == sys.argv[1]} or known

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of model, data and callbacks, and those of Lightning's trainer at the end of the help."""
        parser.add_lightning_class_args(Updater, "model", subclass_mode=True)
        parser.add_lightning_class_args(PeriodDataModule, "data")
        for name, callback in CALLBACKS.items():
            parser.add_lightning_class_args(callback, name)
        parser.link_arguments("data.sizes", "model.init_args.sizes", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        parser.add_lightning_class_args(Trainer, "trainer")
        defaults = {name: value for name, value in self.trainer_defaults.items() if name != "callbacks"}
        parser.set_defaults({f"trainer.{name}": value for name, value in defaults.items()})
        for name, group in (parser.groups or {}).items():
            group.title = TITLES.get(name, group.title)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, check, and find the checkpoint that ``--ckpt_path last`` means."""
        super().parse_arguments(parser, args)
        command = self.config.subcommand
        if classes := classes_given_as_words(self.config[command].trainer):
            self.config = parser.parse_object({command: {"trainer": classes}}, self.config)
        config = self.config[command]
        if isinstance(config.seed_everything, int) and not 0 <= config.seed_everything < 2**32:
            raise ConfigError(f"seed_everything must be from 0 to 2**32 - 1, got {config.seed_everything}")
        check_trainer(config.trainer)
        if config.trainer.enable_progress_bar is False:  # Lightning would refuse to have one among the callbacks
            config.trainer.enable_progress_bar, config.progress.enable = None, False
        root = config.trainer.default_root_dir
        if is_address(root):
            counts = counts_of_torchrun(config.trainer.devices, config.trainer.num_nodes)
            several = counts.get("num_nodes", config.trainer.num_nodes) > 1
            self._copy, folder = Copy.work(root, new=True, several=several)
            self._copy.fetch(about_versions)
            root = str(folder)
        config.ckpt_path = checkpoint_to_go_on_from(config.get("ckpt_path"), root, command)

    def instantiate_classes(self) -> None:
        """Make data, updater and trainer; where ranks share tables out, each rank draws its own rows later."""
        given = self.config.get(str(self.subcommand), {}).get("trainer", {}).get("strategy")
        strategy = resolve_name(given.class_path) if hasattr(given, "class_path") else given
        with tables_for(strategy):
            super().instantiate_classes()

    def instantiate_trainer(self, **settings: Any) -> Trainer:
        """Make the trainer.

        Raises:
            ConfigError: if it refuses its settings, or would wait for processes that nobody starts.
        """
        given = self.config_init[self.config_init.subcommand].trainer
        counts = counts_of_torchrun(given.devices, given.num_nodes)
        if self._copy is not None:  # the configuration keeps the address
            settings["default_root_dir"] = str(self._copy.folder)
            if self.config.subcommand == "fit":
                self.trainer_defaults["callbacks"] = [*self.trainer_defaults["callbacks"], RunMirror(self._copy)]
        try:
            trainer = super().instantiate_trainer(**counts, **settings)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"the trainer cannot be made: {error}") from error
        check_launched(trainer)
        return trainer


def checkpoint_to_go_on_from(given: str | None, run_folder: str | None, command: str) -> str | None:
    """The checkpoint that a command begins with, which can be read; ``None`` if a walk begins at the beginning.

    Args:
        given: the option ``--ckpt_path``, a path or ``last``.
        run_folder: of the walk.
        command: ``fit``, ``validate`` or ``test``.

    Raises:
        ConfigError: if there is none to score.
        CheckpointError: if it cannot be read.
    """
    if given is None:
        if command != "fit":
            raise ConfigError("there is no model to score: name a checkpoint with --ckpt_path, or give 'last'")
        return None
    if given == "last":
        folder = Path(run_folder or ".") / FOLDER
        checkpoints = newest_first(folder)
        if not checkpoints and command != "fit":
            raise CheckpointError(f"there is no checkpoint in {folder}: run asmg fit first, or name a file")
        if not checkpoints:
            log.info("there is no checkpoint in %s yet: the walk starts at the beginning", folder)
            return None
        given = str(checkpoints[0])
    path = _with_notes(given) if is_address(given) else Path(given)
    read_checkpoint(path)
    if path.is_dir():
        tensors_in(path)
    return str(path)


def _with_notes(address: str) -> Path:
    """A checkpoint at an address, fetched with the notes that it names."""
    copy, path = Copy.view(address)
    beside = path.relative_to(copy.folder).parent
    copy.fetch(lambda each: Path(each).parent == beside and fnmatch(Path(each).name, NOTES))
    bring(path)
    return path
