"""The run's configuration: ``config.yaml`` in the run folder, and in each checkpoint what a resumed walk must share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from asmg_pl.errors import CheckpointError
from asmg_pl.provenance import provenance

#: Settings that change no result beyond rounding, and the seed, which the data module compares itself.
FREE = {
    "data.root",
    "data.seed",
    "data.scoring_batch_size",
    "data.evaluate",
    "data.accumulate",
    "model.init_args.chunk_rows",
    "model.init_args.pretrained_model",
}


class RunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` when a walk begins, and refuses to resume with other settings than it began with.

    Loggers get the configuration too, see :func:`described`.
    """

    @property
    def plain(self) -> dict[str, Any]:
        """The whole resolved configuration as ``config.yaml`` has it: nested plain values."""
        return yaml.safe_load(self.parser.dump(self.config, skip_unset=False))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet: the run may still be refused."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        if trainer.is_global_zero:
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / self.config_filename
            self.parser.save(self.config, str(path), skip_unset=False, overwrite=True, multifile=self.multifile)
            for logger in trainer.loggers:
                logger.log_hyperparams(described(trainer))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the settings of model and data."""
        checkpoint["settings"] = settings_in(self.config.as_dict())

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compare them.

        Raises:
            CheckpointError: naming the settings that differ.
        """
        saved, now = checkpoint.get("settings", {}), settings_in(self.config.as_dict())
        changed = [key for key in sorted(saved.keys() & now.keys()) if saved[key] != now[key]]
        if changed:
            listed = "; ".join(f"{key} was {saved[key]} and is now {now[key]}" for key in changed)
            raise CheckpointError(
                f"the walk began with other settings: {listed}. Resume with those that it began with (config.yaml in "
                "its folder), or start another walk in another folder (--trainer.default_root_dir)"
            )


def described(trainer: Trainer) -> dict[str, Any]:
    """The configuration that the trainer's run began with, if it is known, and its provenance, for loggers."""
    configs = (callback.plain for callback in trainer.callbacks if isinstance(callback, RunConfig))  # type: ignore[attr-defined]
    return next(configs, {}) | provenance(trainer.datamodule)  # type: ignore[attr-defined]


def settings_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's configuration bears on its results, the seed left out: plain values by path.

    Args:
        config: the whole configuration, nested, as in ``config.yaml``.
    """
    parts = {name: config[name] for name in ("model", "data") if name in config}
    return {key: value for key, value in _flat(parts) if key not in FREE}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values of a nested configuration by their path, in a form that a checkpoint can hold."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
