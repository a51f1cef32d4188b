"""A model that never changes: what a stream costs if nothing is done."""

from __future__ import annotations

from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.walking.phase import Phase


class Frozen(Updater):
    """Serves Θ_0 for ever.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> method = Frozen(Sizes(users=9, items=9))
        >>> [phase.name for phase in method.phases(14)]
        ['score']
    """

    learns = False

    def phases(self, period: int) -> list[Phase]:
        """Score."""
        return [self.scoring(period)]
