"""BU-w, the batch update: each new period is gone over together with the periods before it."""

from __future__ import annotations

from typing import Any

from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.walking.phase import Phase


class BatchUpdate(Updater):
    """Θ_t starts from Θ_{t-1} and is trained on D_{t-w+1}, …, D_t, shuffled together.

    Source: Peng et al. (RecSys 2021), baseline BU-w.

    Examples:
        >>> method = BatchUpdate(Sizes(users=9, items=9), window=5)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'update']
    """

    def __init__(self, sizes: Sizes, window: int | None = 3, **base: Any) -> None:
        """Build the base model.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            window: periods that an update reads, w; ``null`` reads all so far.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        if window is not None and window < 1:
            raise ConfigError(f"model.window must be at least 1, or null for all periods, got {window}")
        self.window = window

    def phases(self, period: int) -> list[Phase]:
        """Score, then update on the window."""
        first = 1 if self.window is None else max(1, period - self.window + 1)
        return [self.scoring(period), *self.updating(period, periods=range(first, period + 1))]
