"""The configuration of a walk that Python has started, in the form of a configuration file.

A class, or a partial of it, tells its arguments: the defaults, and the values that the partial changes. The data
module, its source and its periods are objects, whose attributes have the names of their arguments. An updater that is
made already does not tell its arguments, so that only its class is known.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from lightning import LightningModule, Trainer

from asmg_pl.callbacks.configuration import RunConfig
from asmg_pl.data import PeriodDataModule, Periods
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Source
from asmg_pl.metrics import TopK
from asmg_pl.updaters.guarding.guard import Guard
from asmg_pl.updaters.guarding.head import PrequentialHead

#: Objects that are arguments themselves, and so are described by their own arguments.
PIECES = (Source, Periods, Fresh, Guard, PrequentialHead, TopK)


class GivenConfig(RunConfig):
    """Does for a walk from Python what :class:`RunConfig` does for one of the command line.

    It writes ``config.yaml``, and refuses to resume with other settings than the walk began with.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        """Take the configuration; there is no parser that could have made it.

        Args:
            config: see :func:`configuration`.
        """
        self.config_filename = "config.yaml"
        self._config = config
        self._machine = {}
        self._told: dict[str, Any] = {}  # by the checkpoint, of arguments that the updater does not tell

    @property
    def plain(self) -> dict[str, Any]:
        """The configuration: nested plain values."""
        return self._config

    @property
    def nested(self) -> dict[str, Any]:
        """The configuration: nested plain values."""
        return self._config

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compare the settings; arguments that the updater does not tell are taken to be the checkpoint's.

        Raises:
            CheckpointError: naming the settings that differ.
        """
        if not self._config["model"]["init_args"]:
            saved = checkpoint.get("settings", {})
            self._told = {name: value for name, value in saved.items() if name.startswith("model.init_args.")}
        super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _settings(self, trainer: Trainer) -> dict[str, Any]:
        return self._told | super()._settings(trainer)

    def write(self, path: Path) -> None:
        """Write the configuration as YAML."""
        path.write_text(yaml.safe_dump(self._config, sort_keys=False), encoding="utf-8")


def configuration(updater: Any, data: PeriodDataModule, trainer: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a walk.

    Args:
        updater: the class, a partial of it, or the updater.
        data: the stream.
        trainer: arguments of the trainer, of which those with plain values are kept.
    """
    kept = {name: value for name, value in trainer.items() if _is_plain(value)}
    return {
        "seed_everything": data.seed,
        "trainer": kept,
        "model": _described(updater),
        "data": _described(data)["init_args"],
    }


def _described(value: Any) -> Any:
    """A class, a partial of it or an object as its path and its arguments; plain values as they are."""
    if _is_plain(value):
        return value
    if isinstance(value, (date, Path)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_described(each) for each in value]
    given: dict[str, Any] = {}
    while isinstance(value, partial):
        given = {**value.keywords, **given}
        value = value.func
    if inspect.isclass(value):
        known = {name: default for name, default in _arguments(value) if default is not inspect.Parameter.empty}
        return _piece(value, known | given)
    if inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, LightningModule):
        return _piece(type(value), {})
    known = {name: getattr(value, name) for name, _ in _arguments(type(value)) if hasattr(value, name)}
    return _piece(type(value), {name: each for name, each in known.items() if _can_be_described(each)})


def _piece(kind: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    described = {name: _described(value) for name, value in arguments.items()}
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": described}


def _arguments(kind: type) -> Iterator[tuple[str, Any]]:
    """The names and defaults of a class's arguments, with those that it hands on to its bases."""
    for owner in reversed(kind.__mro__):
        if "__init__" in vars(owner) and owner.__module__.partition(".")[0] not in ("torch", "lightning", "builtins"):
            for name, parameter in inspect.signature(vars(owner)["__init__"]).parameters.items():
                if name not in ("self", "sizes", "shapes") and parameter.kind is not parameter.VAR_KEYWORD:
                    yield name, parameter.default


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _can_be_described(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return _is_plain(value) or isinstance(value, (date, Path, *PIECES))
