"""Settings that a stream remembers, so that later files are read as the first ones were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asmg_pl.convert.kept import SETTINGS as FILE
from asmg_pl.convert.kept import stored_settings
from asmg_pl.errors import ConfigError, DataError

#: Settings that the first version of the program did not have.
_LATER = (
    *("any_time", "ids", "missing", "columns"),
    *("positive", "where", "impressions", "clicked", "time_format"),
)
#: Settings that only streams with such features keep.
OF_FEATURES = (
    *("numbers", "log_numbers", "lists", "list_size", "weight", "labels"),
    *("user_id", "user_time", "user_context", "user_numbers", "user_lists"),
    *("item_time", "item_context", "item_numbers", "item_lists"),
)
#: Settings that must not change between two parts of a stream. Names of columns may: other files may have others.
_FIXED = (
    *("positive", "positive_from", "all_positive", "negatives", "negative_rule", "seed", "history", "carry", "context"),
    *(name for name in OF_FEATURES if name not in ("user_id", "user_time", "item_time")),
)


def remembered(given: Mapping[str, Any], folder: Path | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Join given settings with those of the stream in a folder.

    Args:
        given: values by name; ``None`` is no value.
        folder: of the stream; ``None`` for a new one.
        defaults: of all settings.

    Raises:
        ConfigError: if a given setting contradicts the stream.
        DataError: if the stream's file of settings is damaged.
    """
    chosen = {name: _plain(name, value) for name, value in given.items() if value is not None}
    stored = {} if folder is None else _stored(folder, defaults)
    if stored:
        had = {**defaults, **stored}
        other = [name for name in _FIXED if name in chosen and chosen[name] != had[name]]
        if other:
            raise ConfigError(
                f"{folder} was converted with other options: "
                + ", ".join(f"{option(n)} is {_shown(had[n])} there, {_shown(chosen[n])} here" for n in other)
                + ". Leave them out to go on as before, or convert everything into a new stream"
            )
        if chosen.keys() & {"label", "rating"}:  # a column may change; _FIXED has what must not
            stored = {name: value for name, value in stored.items() if name not in ("label", "rating")}
    return stored | chosen


def option(name: str) -> str:
    """The spelling of a setting on the command line."""
    return "--" + name.replace("_", "-")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return "none" if value is None else str(value)


def _stored(folder: Path, every: Iterable[str]) -> dict[str, Any]:
    content = stored_settings(folder)
    if content is None:
        return {}
    try:
        stored = json.loads(content)
        # A setting that is unknown to an earlier version has its default.
        later = (*_LATER, *OF_FEATURES)
        names = [name for name in every if name in stored or name not in later]
        return {name: _plain(name, stored[name]) for name in names}
    except (ValueError, KeyError, TypeError):
        path = folder / FILE
        raise DataError(f"{path} is damaged: convert everything again, into a new stream") from None


def _plain(name: str, value: Any) -> Any:
    """A setting's value in the form of JSON or the command line."""
    if name in ("columns", "positive"):
        return tuple(part for names in value for part in names.split(","))
    return tuple(value) if isinstance(value, list) else value
