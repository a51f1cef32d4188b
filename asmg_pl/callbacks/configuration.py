"""The run's configuration: ``config.yaml`` in the run folder, and in each checkpoint what a resumed walk must share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from asmg_pl.callbacks.provenance import changed_machine, machine, provenance, write_provenance
from asmg_pl.callbacks.settings import differences, shared_settings
from asmg_pl.callbacks.settings import settings_in as settings_in
from asmg_pl.errors import CheckpointError
from asmg_pl.system.files import written_whole
from asmg_pl.updaters.base import Updater

log = logging.getLogger(__name__)


class RunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` when a walk begins, and refuses to resume with other settings than it began with.

    Which settings those are, :mod:`asmg_pl.callbacks.settings` says. Another machine is no reason to refuse, see
    :func:`asmg_pl.callbacks.provenance.machine`.

    Loggers get the configuration too, see :func:`described`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take the parser and the configuration, see :class:`lightning.pytorch.cli.SaveConfigCallback`."""
        super().__init__(*args, **options)
        self._machine: dict[str, Any] = {}  # of the checkpoint that the walk goes on from

    @property
    def plain(self) -> dict[str, Any]:
        """The whole resolved configuration as ``config.yaml`` has it: nested plain values."""
        return yaml.safe_load(self.parser.dump(self.config, skip_unset=False))

    @property
    def nested(self) -> dict[str, Any]:
        """The whole resolved configuration as the parser has it: nested values."""
        return self.config.as_dict()

    def write(self, path: Path) -> None:
        """Write the configuration as YAML."""
        self.parser.save(self.config, str(path), skip_unset=False, overwrite=True, multifile=self.multifile)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet: the run may still be refused."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write ``config.yaml`` and ``provenance.json``; warn if the checkpoint was written on another machine."""
        if not trainer.is_global_zero:
            return
        if self._machine and (line := changed_machine(self._machine, machine(trainer))):
            log.warning(line)
        with written_whole(Path(trainer.default_root_dir) / self.config_filename) as partial:
            self.write(partial)
        write_provenance(Path(trainer.default_root_dir), cast(Updater, pl_module))
        for logger in trainer.loggers:
            logger.log_hyperparams(described(trainer))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the settings that a resumed walk must share, and the machine."""
        checkpoint["settings"] = self._settings(trainer)
        checkpoint["machine"] = machine(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compare the settings.

        Raises:
            CheckpointError: naming the settings that differ.
        """
        self._machine = checkpoint.get("machine", {})
        if changed := differences(checkpoint.get("settings", {}), self._settings(trainer)):
            raise CheckpointError(
                f"the walk began with other settings: {'; '.join(changed)}. Resume with those that it began with "
                "(config.yaml in its folder), or start another walk in another folder (--trainer.default_root_dir)"
            )

    def _settings(self, trainer: Trainer) -> dict[str, Any]:
        """The settings that bear on results; the precision is the one in force, which a plugin may have set."""
        return shared_settings(self.nested) | {"trainer.precision": str(trainer.precision)}


def described(trainer: Trainer) -> dict[str, Any]:
    """The configuration that the trainer's run began with, if it is known, and its provenance, for loggers."""
    configs = (callback.plain for callback in trainer.callbacks if isinstance(callback, RunConfig))  # type: ignore[attr-defined]
    return next(configs, {}) | provenance(cast(Updater, trainer.lightning_module))
