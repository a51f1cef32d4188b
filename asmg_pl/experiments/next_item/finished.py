"""Finished periods: a folder each, with the figures and what the next period starts from. A folder is whole or absent.

FOLDER/settings.json                      of which settings and clicks the folder is
FOLDER/METHOD/period-01/figures.json      Recall and MRR on the test week
                        state.pt          the model, the exemplars, and what a generator needs
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.experiments.next_item.settings import FULL, Settings
from asmg_pl.system.files import written_whole

SETTINGS, FIGURES, STATE = "settings.json", "figures.json", "state.pt"


def claim(folder: Path, settings: Settings, fingerprint: int) -> None:
    """Make sure that what is in a folder is of these settings and clicks.

    Args:
        folder: of the study; a new one gets the settings.
        settings: of the study.
        fingerprint: of the clicks.

    Raises:
        ConfigError: if it is of others.
    """
    wanted = json.loads(json.dumps(asdict(settings) | {"fingerprint": fingerprint}))
    path = folder / SETTINGS
    if not path.exists():
        with written_whole(path) as partial:
            partial.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        return
    found = asdict(FULL) | _read(path)  # of an earlier version, which had fewer settings
    if other := [name for name in wanted if found.get(name) != wanted[name]]:
        raise ConfigError(f"{folder} has a study with another {', '.join(other)}: give another folder, or remove it")


def place(folder: Path, method: str, period: int) -> Path:
    """Where a finished period is."""
    return folder / method / f"period-{period:02}"


def write(
    path: Path, figures: dict[str, Any], model: dict[str, Tensor], exemplars: Tensor, generation: dict[str, Any]
) -> None:
    """Write a finished period.

    Args:
        path: its folder, see :func:`place`.
        figures: plain numbers by name.
        model: the model's parameters by name.
        exemplars: int64.
        generation: what a generator's next period needs; empty without one.
    """
    with written_whole(path) as partial:
        partial.mkdir()
        (partial / FIGURES).write_text(json.dumps(figures) + "\n", encoding="utf-8")
        torch.save({"model": model, "exemplars": exemplars, "generation": generation}, partial / STATE)


def figures(path: Path) -> dict[str, Any]:
    """The figures of a finished period.

    Raises:
        CheckpointError: if the file is damaged.
    """
    return _read(path / FIGURES)


def state(path: Path) -> tuple[dict[str, Tensor], Tensor, dict[str, Any]]:
    """The model's parameters after a finished period, the exemplars, and what a generator's next period needs.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    try:
        found = torch.load(path / STATE, map_location="cpu", weights_only=True)
        return found["model"], found["exemplars"], found.get("generation", {})
    except Exception as error:  # torch has many kinds of them
        raise CheckpointError(
            f"{path / STATE} cannot be read: remove the folder {path}, and it is made anew"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read: remove the folder {path.parent}, and it is made anew") from error
