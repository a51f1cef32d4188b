"""Tables of context features that an earlier version named by number, ``context_0``, and this one by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.features import Features


def rename_tables(checkpoint: dict[str, Any], sizes: Sizes) -> None:
    """Give the tables of a checkpoint the names that they have in this version, in place.

    Args:
        checkpoint: of any version.
        sizes: of the stream, with the names of its features.
    """
    tables = list(Features(sizes).tables)[: len(sizes.context)]
    names = {f"context_{number}": name for number, name in enumerate(tables)}
    names |= {f"{former}_weight": f"{name}_weight" for former, name in names.items()}
    _rename(checkpoint, {former: name for former, name in names.items() if former != name})


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
