"""Which rows of the tables have appeared, because their user, item or category has a row in the stream by then.

Tables have rows for all users, items and categories that the stream has at its end. No number of a period may depend on
rows that appear later.
"""

from __future__ import annotations

import logging

from torch import nn

from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.sizes import Sizes
from asmg_pl.generators.table_entries import models_in
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.rows.initial import Build, table_rows

log = logging.getLogger(__name__)


class Appeared:
    """Counts the rows of a base model's tables that have appeared.

    Attributes:
        has_categories: whether the base model has a table of categories.
    """

    def __init__(self, recommender: Recommender, build: Build, sizes: Sizes) -> None:
        """Remember how the tables are made.

        Args:
            recommender: the base model.
            build: its class.
            sizes: with which it was built; without categories, none ever appear.
        """
        self._recommender, self._build = recommender, build
        self.has_categories = bool(sizes.categories)
        self._rows: dict[Sizes, dict[str, int]] = {}  # of the sizes that were asked for last

    def leave_out_categories(self, data: PeriodDataModule, pretrain_periods: int) -> None:
        """Go without categories if the base model has no table of them; later ones must not change what came before.

        Args:
            data: the stream.
            pretrain_periods: the periods that pre-train, for the message.
        """
        if data.sizes.categories and not self.has_categories:
            data.categories = False
            log.warning(
                "the first categories appear after the %d periods that pre-train: the walk goes without any. To use "
                "them, raise model.pretrain_periods",
                pretrain_periods,
            )

    def rows(self, sizes: Sizes) -> dict[str, int]:
        """How many rows of each table at hand have appeared when the stream has these sizes."""
        rows, owners = self.rows_in_all(sizes), self._recommender.owners
        return {name: owners[name].held(count) if name in owners else count for name, count in rows.items()}

    def rows_in_all(self, sizes: Sizes) -> dict[str, int]:
        """How many rows of each table have appeared, also of those that other processes hold in part."""
        seen = self.seen_by_model(sizes)
        if seen not in self._rows:
            latest = dict([*self._rows.items()][-1:])
            self._rows = {**latest, seen: table_rows(self._build, seen)}
        return self._rows[seen]

    def seen_by_model(self, sizes: Sizes) -> Sizes:
        """Sizes of the stream as the base model knows them: without categories, if it has no table of them."""
        return sizes if self.has_categories else sizes._replace(categories=0)

    def between(self, before: Sizes | None, now: Sizes) -> dict[str, tuple[int, int]]:
        """The rows at hand of each table that appear between two sizes of the stream.

        Args:
            before: earlier sizes; ``None`` for an empty stream.
            now: later ones.

        Returns:
            By table, the place of the first of these rows, and the place after the last.
        """
        old = {} if before is None else self.rows(before)
        return {name: (old.get(name, 0), count) for name, count in self.rows(now).items()}

    def tell(self, module: nn.Module, sizes: Sizes) -> None:
        """Let all models within a module know which of their rows have appeared; nothing depends on others."""
        known = self.rows(sizes)
        for _, model in models_in(module):
            model.known = known
