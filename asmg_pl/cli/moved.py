"""Configurations of earlier versions name classes where they stood then; here they are found where they stand now."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

#: Where classes stand that a configuration can name.
MODULES = (
    *("asmg_pl.updaters", "asmg_pl.generators", "asmg_pl.recommenders", "asmg_pl.callbacks", "asmg_pl.distributed"),
    *("asmg_pl.data", "asmg_pl.data.sources", "asmg_pl.data.negatives", "asmg_pl.checkpoints.io"),
)


def updated(settings: Any, moved: dict[str, str]) -> Any:
    """Settings in which each class of this package is named by the path that it has now.

    Args:
        settings: nested plain values.
        moved: gets the new paths by the old ones.
    """
    if isinstance(settings, dict):
        return {key: updated(value, moved) for key, value in settings.items()}
    if isinstance(settings, list):
        return [updated(value, moved) for value in settings]
    if isinstance(settings, str) and re.fullmatch(r"asmg_pl(\.\w+)+", settings) and (now := current(settings)):
        moved[settings] = now
        return now
    return settings


def current(path: str) -> str | None:
    """Where a class stands now; ``None`` if it stands where the path says, or nowhere."""
    module, _, name = path.rpartition(".")
    try:
        if hasattr(import_module(module), name):
            return None
    except ImportError:
        pass
    return next((f"{place}.{name}" for place in MODULES if hasattr(import_module(place), name)), None)
