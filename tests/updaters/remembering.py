"""An updater of one's own, with histories that have other names than ASMG's."""

from __future__ import annotations

from typing import Any

from asmg_pl.data import Sizes
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.updaters import Phase, Updater


class Remembering(Updater):
    """The incremental update; it keeps the last three models and, beside them, all."""

    def __init__(self, sizes: Sizes, **base: Any) -> None:
        super().__init__(sizes, **base)
        self.snapshots = ParameterHistory(self.recommender, 3, hidden_size=1)
        self.all_so_far = ParameterHistory(self.recommender, None, hidden_size=0)

    def phases(self, period: int) -> list[Phase]:
        return [self.scoring(period), *self.updating(period, end=self.remember)]

    def remember(self) -> None:
        for history in (self.snapshots, self.all_so_far):
            history.push(self.recommender)
