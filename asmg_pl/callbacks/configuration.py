"""The run's configuration: ``config.yaml`` in the run folder, and in each checkpoint what a resumed walk must share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from asmg_pl.errors import CheckpointError

#: Settings that change no result beyond rounding, and the seed, which the data module compares itself.
FREE = {
    "data.root",
    "data.seed",
    "data.scoring_batch_size",
    "data.evaluate",
    "model.init_args.chunk_rows",
    "model.init_args.pretrained_model",
}


class RunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` when a walk begins, and refuses to resume with other settings than it began with."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet: the run may still be refused."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        if trainer.is_global_zero:
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / self.config_filename
            self.parser.save(self.config, str(path), skip_unset=False, overwrite=True, multifile=self.multifile)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the settings of model and data."""
        checkpoint["settings"] = self._settings()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compare them.

        Raises:
            CheckpointError: naming the settings that differ.
        """
        saved, now = checkpoint.get("settings", {}), self._settings()
        changed = [key for key in sorted(saved.keys() & now.keys()) if saved[key] != now[key]]
        if changed:
            listed = "; ".join(f"{key} was {saved[key]} and is now {now[key]}" for key in changed)
            raise CheckpointError(
                f"the walk began with other settings: {listed}. Resume with those that it began with (config.yaml in "
                "its folder), or start another walk in another folder (--trainer.default_root_dir)"
            )

    def _settings(self) -> dict[str, Any]:
        config = self.config.as_dict()
        flat = _flat({"model": config["model"], "data": config["data"]})
        return {key: value for key, value in flat if key not in FREE}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values of a nested configuration by their path, in a form that a checkpoint can hold."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
