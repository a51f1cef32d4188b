"""Contradictions between the options of a conversion, which are told before any file is opened."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from asmg_pl.convert.remembered import OF_FEATURES, option
from asmg_pl.data.stream import MOST_CARRIED
from asmg_pl.data.tables.dated import check_form
from asmg_pl.errors import ConfigError

if TYPE_CHECKING:
    from asmg_pl.convert.settings import Settings

#: What ``--user`` and ``--item`` are for a stream without users or items.
NONE = "none"


def check(settings: Settings) -> None:
    """Check settings against each other.

    Raises:
        ConfigError: if options contradict each other; the message names them.
    """
    numbers = (*settings.numbers, *settings.user_numbers, *settings.item_numbers)
    if strange := [name for name in settings.log_numbers if name not in numbers]:
        raise ConfigError(
            f"--log-numbers {strange[0]}: name the column with --numbers, --user-numbers or --item-numbers too"
        )
    ways = [settings.label is not None, settings.rating is not None, settings.all_positive]
    if sum(ways) != 1:
        raise ConfigError(
            "which rows are positive? Give one of --label COL (0 or 1), --rating COL with --positive-from X, and "
            "--all-positive"
        )
    if settings.positive and settings.label is None:
        raise ConfigError("--positive names values of a column of events: name the column with --label COL")
    if (settings.rating is None) != (settings.positive_from is None):
        raise ConfigError("--rating COL and --positive-from X belong together: ratings from X on are positive")
    if settings.positive_from is not None and not isfinite(settings.positive_from):
        raise ConfigError(f"--positive-from must be a rating, got {settings.positive_from}")
    if settings.negatives < 0:
        raise ConfigError(f"--negatives must not be negative, got {settings.negatives}")
    if settings.negatives and not settings.all_positive:
        raise ConfigError("--negatives are drawn for rows that are all positive: give --all-positive, not a label")
    if not 0 <= settings.carry <= MOST_CARRIED:
        raise ConfigError(f"--carry must be from 0 to {MOST_CARRIED}, got {settings.carry}")
    of_items = (settings.categories, settings.item_time, *settings.features.items)
    if (settings.item_id is None) == any(name is not None for name in of_items):
        raise ConfigError(
            "--item-id COL and --categories COL (or --item-context, --item-numbers, --item-lists) belong together: "
            "they name columns of --items FILE"
        )
    if not settings.features.users and (settings.user_id is not None or settings.user_time is not None):
        raise ConfigError(
            "--user-id COL and --user-time COL belong together with --user-context, --user-numbers or "
            "--user-lists: they name columns of --users FILE"
        )
    if (settings.features.users and settings.user == NONE) or (settings.item_id is not None and settings.item == NONE):
        raise ConfigError("a stream without users or items has no features of them: leave --users and --items out")
    if settings.negatives and settings.item == NONE:
        raise ConfigError("--negatives are items, which a stream with --item none does not have")
    if not settings.separator or settings.delimiter == "":
        raise ConfigError("--separator and --delimiter must not be empty")
    if settings.quote != "none" and (len(settings.quote) != 1 or not settings.quote.isascii()):
        raise ConfigError(f"--quote must be one character, or none, got {settings.quote!r}")
    if settings.clicked is not None and settings.impressions is None:
        raise ConfigError(
            "--clicked names the clicked ones of the items that were shown: name these with --impressions"
        )
    if settings.time_format is not None:
        check_form(settings.time_format)
    settings.conditions()  # a wrong one is an error
    of_features = [name for name in OF_FEATURES if isinstance(getattr(settings, name), tuple)]
    kinds = ("context", *(name for name in of_features if name != "log_numbers"))
    named = [(option(kind), name) for kind in kinds for name in getattr(settings, kind)]
    named += [] if settings.weight is None else [("--weight", settings.weight)]
    names = [name for _, name in named]
    for kind, name in named:
        if name in ("user", "item", "label", "time"):
            raise ConfigError(f"{kind} {name}: the stream has a column of that name already, rename yours")
        if names.count(name) > 1:
            raise ConfigError(f"{kind} {name}: two features have this name, rename one of them")
