"""Tables of context features that an earlier version named by number, ``context_0``, and this one by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def rename_tables(checkpoint: dict[str, Any], tables: Iterable[str]) -> None:
    """Give the tables of a checkpoint the names that they have in this version, in place.

    Args:
        checkpoint: of any version.
        tables: the names of the recommender's tables, in their order.
    """
    of_features = [name for name in tables if name.startswith("context[") and name.endswith("]")]
    names = {f"context_{number}": name for number, name in enumerate(of_features)}
    _rename(checkpoint, names | {f"{former}_weight": f"{name}_weight" for former, name in names.items()})


def _rename(entry: Any, names: Mapping[str, str]) -> None:
    if not isinstance(entry, dict) or not names:
        return
    for key, value in [*entry.items()]:
        _rename(value, names)
        # All keys are put back, so that they keep their order.
        entry[_renamed(key, names)] = entry.pop(key)


def _renamed(key: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(key, str):
        return key
    return ".".join(names.get(part, part) for part in key.split("."))
