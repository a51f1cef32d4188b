"""The columns to read from files of rows, of users and of items, by the settings that name them."""

from __future__ import annotations

from asmg_pl.convert.settings import NONE, Names, Settings
from asmg_pl.data.tables import columns as meaning
from asmg_pl.data.tables import times
from asmg_pl.data.tables.columns import Column
from asmg_pl.data.tables.spelling import Spelling
from asmg_pl.data.tables.times import ANY_TIME, Plausible


def row_columns(settings: Settings, plausible: Plausible) -> list[Column]:
    """The columns to read from the files of interactions."""
    ids = [("user", "--user", settings.user), ("item", "--item", settings.item)]
    found = [meaning.identifier(*column, settings.spelling) for column in ids if column[2] != NONE]
    if settings.label is not None:
        of_event = meaning.event(settings.label, settings.positive, Spelling("as-written", settings.missing))
        found.append(of_event if settings.positive else meaning.label(settings.label))
    if settings.rating is not None and settings.positive_from is not None:
        found.append(meaning.rating(settings.rating, settings.positive_from))
    found += [times.time(settings.time, settings.read_unit, plausible)]
    found += _features(settings, "--", settings.context, settings.numbers, settings.lists)
    if settings.weight is not None:
        found.append(meaning.weight(settings.weight))
    return [*found, *(meaning.further_label(name, settings.spelling) for name in settings.labels)]


def user_columns(settings: Settings, plausible: Plausible = ANY_TIME) -> list[Column]:
    """The columns to read from the file of users."""
    if not settings.features.users:
        return []
    found = [meaning.identifier("user", "--user-id", settings.user_id or settings.user, settings.spelling)]
    found += [] if settings.user_time is None else [times.time(settings.user_time, settings.read_unit, plausible)]
    return found + _features(settings, "--user-", settings.user_context, settings.user_numbers, settings.user_lists)


def item_columns(settings: Settings, plausible: Plausible = ANY_TIME) -> list[Column]:
    """The columns to read from the file of items."""
    if settings.item_id is None:
        return []
    found = [meaning.identifier("item", "--item-id", settings.item_id, settings.spelling)]
    if settings.categories is not None:
        as_text = Spelling("as-written", settings.missing)
        found.append(meaning.text("categories", "--categories", settings.categories, as_text, is_list=True))
    found += [] if settings.item_time is None else [times.time(settings.item_time, settings.read_unit, plausible)]
    return found + _features(settings, "--item-", settings.item_context, settings.item_numbers, settings.item_lists)


def _features(settings: Settings, prefix: str, context: Names, numbers: Names, lists: Names) -> list[Column]:
    """The columns of the features of one side."""
    found = [meaning.feature(name, settings.spelling, f"{prefix}context") for name in context]
    found += [meaning.number(f"{prefix}numbers", name, settings.spelling) for name in numbers]
    return found + [meaning.values(f"{prefix}lists", name, settings.separator, settings.spelling) for name in lists]
