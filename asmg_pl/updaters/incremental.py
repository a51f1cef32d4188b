"""IU, the plain incremental update: one model, trained on each new period from where it stands."""

from __future__ import annotations

from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.walking.phase import Phase


class IncrementalUpdate(Updater):
    """Θ_t starts from Θ_{t-1} and is trained on D_t alone; Θ_t serves period t+1.

    It is the method to beat: it is cheap, but it forgets.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> method = IncrementalUpdate(Sizes(users=9, items=9), passes=2)
        >>> [phase.name for phase in method.phases(11)]
        ['score', 'update', 'update']
    """

    def phases(self, period: int) -> list[Phase]:
        """Score, then update."""
        return [self.scoring(period), *self.updating(period)]
