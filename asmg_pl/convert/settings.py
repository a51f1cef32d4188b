"""The meaning of the columns of a user's files, kept beside the stream so that later files are read in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from asmg_pl.convert.remembered import OF_FEATURES, option, remembered
from asmg_pl.data.features import Features
from asmg_pl.data.negatives import Rule
from asmg_pl.data.schema import PLAIN
from asmg_pl.data.stream import MOST_CARRIED
from asmg_pl.data.tables import times
from asmg_pl.data.tables.conditions import Condition
from asmg_pl.data.tables.dated import check_form
from asmg_pl.data.tables.impressions import clicked_of, item_of
from asmg_pl.data.tables.spelling import Ids, Spelling
from asmg_pl.data.tables.times import ANY_TIME, Plausible, TimeUnit
from asmg_pl.errors import ConfigError

#: What ``--user`` and ``--item`` are for a stream without users or items.
NONE = "none"

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    r"""The meaning of a user's rows.

    Attributes:
        user: column with the user's id, a number or any text; none: there are no users.
        item: column with the item's id, a number or any text; none: there are no items.
        time: column with the time of the interaction; the stream keeps whole seconds (UTC).
        impressions: column with a list of the items that were shown, one row each, such as "N1-0 N2-1", where -1 says
            that the item was clicked. Needs no --item, and no --label.
        clicked: column with a list of the clicked items, if the shown ones have no -0 or -1.
        label: column with 0 or 1, or with the kind of an event, see --positive.
        positive: values of the --label column that are positive, separated by commas, such as addtocart,transaction;
            all others are negative.
        rating: column with a rating, which --positive-from turns into a label.
        positive_from: the lowest positive rating; lower ratings are negative.
        all_positive: all rows are positive.
        negatives: number of sampled negatives per positive. They are drawn once, now. To draw them anew in each pass,
            leave this 0 and set data.negatives in the walk.
        negative_rule: how negatives are drawn. uniform: from the items that have appeared up to the row. popularity: by
            an item's share of the earlier rows.
        seed: the seed of the negatives.
        history: whether a user's history has the items of positive rows, or of all rows.
        carry: the longest history that a walk can have (data.history_size). It takes disk space with each append.
        item_id: column of the --items file with the item's id.
        categories: column of the --items file with the item's categories.
        separator: the text between two categories, or two values of a list.
        context: columns with categorical features of the interaction; a missing value is a value of its own.
        numbers: columns with numbers, which may be missing.
        lists: columns with several values, such as tags; --separator tells them apart.
        log_numbers: which of all numbers, also of users and items, models take the logarithm of, before they scale it
            with the moments of the past; for counts and prices that span several powers of ten.
        list_size: the most values of a list; later ones are cut off.
        weight: column with what a row counts in the loss and in the scores.
        labels: columns with further labels, from 0 to 1; they may be missing.
        user_id: column of the --users file with the id; by default as in the rows.
        user_time: column of it with the time from which on a row counts.
        user_context: columns of it with categorical features.
        user_numbers: columns of it with numbers.
        user_lists: columns of it with several values.
        item_time: column of the --items file with the time from which on a row counts.
        item_context: columns of it with categorical features.
        item_numbers: columns of it with numbers.
        item_lists: columns of it with several values.
        time_unit: s, ms, us or ns since 1970, or iso (as in 2014-01-31 or 2014-01-31 18:30:00, UTC without an offset).
        time_format: the form of times that are written otherwise, such as "%m/%d/%Y %I:%M:%S %p" or %y%m%d%H.
        any_time: accept times before 1990, later than tomorrow, or far from all others.
        ids: how to read an id with two spellings, such as 12, 12.0, 0012, or 12 with a blank; by default it is refused.
            unified: they are one id, written as a whole number or without the blank. as-written: each is an id of its
            own, and so is a text such as NA or null.
        missing: texts that mean a missing value, such as '\N' NA. A row without a user or item is malformed.
        where: conditions that a row must fulfil, such as "event in (view, addtocart)" or "price > 0"; several are
            joined by and. Other rows are left out and counted. Also not in, ==, !=, <, <=, >=, is missing, is not
            missing.
        columns: names of the columns, separated by commas, for text files without a header.
        delimiter: the text between two fields of a text file; by default a comma in .csv, a tab in .tsv, .tab and .txt.
        quote: the character that may enclose fields of a text file; none if there is none.
    """

    user: str
    item: str
    time: str
    impressions: str | None = None
    clicked: str | None = None
    label: str | None = None
    positive: tuple[str, ...] = ()
    rating: str | None = None
    positive_from: float | None = None
    all_positive: bool = False
    negatives: int = 0
    negative_rule: Rule = "uniform"
    seed: int = 1234
    history: Literal["positive", "all"] = "positive"
    carry: int = 128
    item_id: str | None = None
    categories: str | None = None
    separator: str = "|"
    context: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    log_numbers: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    list_size: int = 16
    weight: str | None = None
    labels: tuple[str, ...] = ()
    user_id: str | None = None
    user_time: str | None = None
    user_context: tuple[str, ...] = ()
    user_numbers: tuple[str, ...] = ()
    user_lists: tuple[str, ...] = ()
    item_time: str | None = None
    item_context: tuple[str, ...] = ()
    item_numbers: tuple[str, ...] = ()
    item_lists: tuple[str, ...] = ()
    time_unit: TimeUnit = "s"
    time_format: str | None = None
    any_time: bool = False
    ids: Ids | None = None
    missing: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quote: str = '"'

    def __post_init__(self) -> None:
        """Check the settings against each other.

        Raises:
            ConfigError: if options contradict each other; the message names them.
        """
        numbers = (*self.numbers, *self.user_numbers, *self.item_numbers)
        if strange := [name for name in self.log_numbers if name not in numbers]:
            raise ConfigError(
                f"--log-numbers {strange[0]}: name the column with --numbers, --user-numbers or --item-numbers too"
            )
        ways = [self.label is not None, self.rating is not None, self.all_positive]
        if sum(ways) != 1:
            raise ConfigError(
                "which rows are positive? Give one of --label COL (0 or 1), --rating COL with --positive-from X, and "
                "--all-positive"
            )
        if self.positive and self.label is None:
            raise ConfigError("--positive names values of a column of events: name the column with --label COL")
        if (self.rating is None) != (self.positive_from is None):
            raise ConfigError("--rating COL and --positive-from X belong together: ratings from X on are positive")
        if self.positive_from is not None and not isfinite(self.positive_from):
            raise ConfigError(f"--positive-from must be a rating, got {self.positive_from}")
        if self.negatives < 0:
            raise ConfigError(f"--negatives must not be negative, got {self.negatives}")
        if self.negatives and not self.all_positive:
            raise ConfigError("--negatives are drawn for rows that are all positive: give --all-positive, not a label")
        if not 0 <= self.carry <= MOST_CARRIED:
            raise ConfigError(f"--carry must be from 0 to {MOST_CARRIED}, got {self.carry}")
        of_items = (self.categories, self.item_time, *self.features.items)
        if (self.item_id is None) == any(name is not None for name in of_items):
            raise ConfigError(
                "--item-id COL and --categories COL (or --item-context, --item-numbers, --item-lists) belong together: "
                "they name columns of --items FILE"
            )
        if not self.features.users and (self.user_id is not None or self.user_time is not None):
            raise ConfigError(
                "--user-id COL and --user-time COL belong together with --user-context, --user-numbers or "
                "--user-lists: they name columns of --users FILE"
            )
        if (self.features.users and self.user == NONE) or (self.item_id is not None and self.item == NONE):
            raise ConfigError("a stream without users or items has no features of them: leave --users and --items out")
        if self.negatives and self.item == NONE:
            raise ConfigError("--negatives are items, which a stream with --item none does not have")
        if not self.separator or self.delimiter == "":
            raise ConfigError("--separator and --delimiter must not be empty")
        if self.quote != "none" and (len(self.quote) != 1 or not self.quote.isascii()):
            raise ConfigError(f"--quote must be one character, or none, got {self.quote!r}")
        if self.clicked is not None and self.impressions is None:
            raise ConfigError(
                "--clicked names the clicked ones of the items that were shown: name these with --impressions"
            )
        if self.time_format is not None:
            check_form(self.time_format)
        self.conditions()  # a wrong one is told before any file is opened
        of_features = [name for name in OF_FEATURES if isinstance(getattr(self, name), tuple)]
        kinds = ("context", *(name for name in of_features if name != "log_numbers"))
        named = [(option(kind), name) for kind in kinds for name in getattr(self, kind)]
        named += [] if self.weight is None else [("--weight", self.weight)]
        names = [name for _, name in named]
        for kind, name in named:
            if name in ("user", "item", "label", "time"):
                raise ConfigError(f"{kind} {name}: the stream has a column of that name already, rename yours")
            if names.count(name) > 1:
                raise ConfigError(f"{kind} {name}: two features have this name, rename one of them")

    @classmethod
    def of(cls, given: Mapping[str, Any], folder: Path | None) -> Settings:
        """Make settings of given options; missing ones (``None``) are the stream's in ``folder``, or defaults.

        Raises:
            ConfigError: if a needed option is missing, or contradicts the stream.
            DataError: if the stream's file of settings is damaged.
        """
        merged = _with_impressions(remembered(given, folder, _DEFAULTS))
        missing = [option(name) for name in ("user", "item", "time") if name not in merged]
        if missing:
            raise ConfigError(f"which columns hold what? Name them with {', '.join(missing)}")
        return cls(**merged)

    @property
    def features(self) -> Features:
        """The description of the stream's features."""
        return Features(
            numbers=(*self.numbers, *self.user_numbers, *self.item_numbers),
            lists=(*self.lists, *self.user_lists, *self.item_lists),
            list_size=self.list_size if self.lists or self.user_lists or self.item_lists else PLAIN.list_size,
            weight=self.weight,
            labels=self.labels,
            logs=self.log_numbers,
            users=(*self.user_context, *self.user_numbers, *self.user_lists),
            items=(*self.item_context, *self.item_numbers, *self.item_lists),
        )

    @property
    def all_context(self) -> tuple[str, ...]:
        """The context features of the stream in their order."""
        return (*self.context, *self.user_context, *self.item_context)

    @property
    def nobody(self) -> dict[str, pl.Expr]:
        """The columns ``user`` and ``item`` of a stream that has none, the same in each row."""
        return {name: pl.lit(NONE).alias(name) for name in ("user", "item") if getattr(self, name) == NONE}

    @property
    def longest_history(self) -> int:
        """The longest history that the stream keeps: none, if there are no users or items."""
        return 0 if self.nobody else self.carry

    @property
    def dialect(self) -> tuple[str | None, str]:
        """The delimiter (``None``: by the file's name) and the quote (``""``: none) of text files."""
        return self.delimiter and self.delimiter.replace("\\t", "\t"), "" if self.quote == "none" else self.quote

    @property
    def spelling(self) -> Spelling:
        """The rule by which texts become ids and values of context features."""
        return Spelling(self.ids, self.missing)

    @property
    def read_unit(self) -> TimeUnit:
        """The unit of the times as they are read from the files."""
        return "iso" if self.time_format is not None else self.time_unit

    def conditions(self) -> list[Condition]:
        """The conditions that a row must fulfil.

        Raises:
            ConfigError: if one is not of the grammar.
        """
        return [Condition.parse(text) for text in self.where]

    def plausible(self) -> Plausible:
        """The range of times that is accepted now."""
        return ANY_TIME if self.any_time else Plausible.by(times.now())

    def written(self) -> bytes:
        """The settings as they are kept with the rows of a stream."""
        kept = asdict(self)
        for name in OF_FEATURES:  # a stream without such features keeps what it always has
            if kept[name] == _DEFAULTS[name]:
                del kept[name]
        return (json.dumps(kept, indent=1) + "\n").encode()


#: The settings that nobody has given, by name.
_DEFAULTS = {field.name: field.default for field in fields(Settings)}


def _with_impressions(given: dict[str, Any]) -> dict[str, Any]:
    """The settings, with the item and the label of the impressions where no others are given."""
    name = given.get("impressions")
    if name is None:
        return given
    labelled = given.keys() & {"label", "rating"} or given.get("all_positive")
    return {"item": item_of(name)} | ({} if labelled else {"label": clicked_of(name)}) | given
