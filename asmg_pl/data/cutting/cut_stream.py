"""A stream that is cut into periods: its rows, and what is known of it by the end of each period."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from lightning import LightningDataModule

from asmg_pl.data.cutting.cut import PeriodCut
from asmg_pl.data.cutting.periods import Periods
from asmg_pl.data.lifetimes import Lifetimes, Tenants
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.moments import Moments
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sizes import Sizes
from asmg_pl.data.sources import Source
from asmg_pl.storage.address import is_address


class CutStream(LightningDataModule):
    """Reads a stream when it is first needed, and cuts it into periods; a subclass says how periods are read."""

    def __init__(
        self,
        source: Source,
        root: str | None,
        periods: Periods,
        history_size: int,
        negatives: Fresh | None,
        lifetimes: Lifetimes | None,
    ) -> None:
        """Describe the stream, see :class:`~asmg_pl.data.PeriodDataModule`."""
        super().__init__()
        self.source = source
        self.root = root
        self.periods = periods
        self.history_size = history_size
        self.negatives = negatives
        self.lifetimes = lifetimes
        self._tenants: tuple[list[int], dict[str, Tenants]] | None = None  # with the boundaries that they belong to

    @cached_property
    def log(self) -> InteractionLog:
        """The stream's interactions, on the CPU."""
        if is_address(self.root):
            log = self.source.read_at(str(self.root))
        else:
            log = self.source.read(None if self.root is None else Path(self.root))
        log.check_history(self.history_size)
        return log

    @property
    def sizes(self) -> Sizes:
        """The numbers of users, items and categories, from which the recommender is built; they know their past.

        Of users and items that come and go, they are the numbers of rows.
        """
        return self._in_rows(self.log.sizes, self.last_period)._replace(past=self.sizes_by)

    def sizes_by(self, period: int) -> Sizes:
        """The sizes that the stream had at the end of a period, or of the last one; see :attr:`sizes`."""
        return self._in_rows(self.ids_by(period), period)

    def ids_by(self, period: int) -> Sizes:
        """The sizes by the end of a period, or of the last one, in ids, whether or not they come and go."""
        return self.log.sizes_by(self.boundaries[min(period, self.last_period)])

    def moments_by(self, period: int) -> Moments:
        """The mean and the spread of each number over the rows up to the end of a period, or of the last one."""
        return self.log.moments(self.boundaries[min(period, self.last_period)])

    @property
    def tenants(self) -> dict[str, Tenants]:
        """By ``"user"`` and ``"item"``, the rows of ids that come and go; empty if none do."""
        if self.lifetimes is None:
            return {}
        cut = self.boundaries
        if self._tenants is None or self._tenants[0] is not cut:  # a stream is cut anew when a walk is resumed
            self._tenants = cut, {kind: self.lifetimes.follow(self.log, kind, cut) for kind in self.lifetimes.kinds}
        return self._tenants[1]

    def _in_rows(self, sizes: Sizes, period: int) -> Sizes:
        used = {kind: tenants.used(period) for kind, tenants in self.tenants.items()}
        return sizes._replace(users=used.get("user", sizes.users), items=used.get("item", sizes.items))

    @property
    def boundaries(self) -> list[int]:
        """Row positions ``[b_0, …, b_P]``: period ``t`` holds rows ``b_{t-1} … b_t - 1``."""
        return self._cut.boundaries

    @property
    def last_period(self) -> int:
        """The number of the newest complete period."""
        return len(self.boundaries) - 1

    def rows_of(self, first: int, last: int | None = None) -> range:
        """Row positions of a period, or of the periods from ``first`` to ``last``."""
        boundaries = self.boundaries
        return range(boundaries[first - 1], boundaries[last or first])

    def waiting(self) -> str | None:
        """How many rows come after the newest complete period, and what they wait for; ``None`` if there is none."""
        return self._cut.waiting()

    def classes(self, first: int, last: int) -> int:
        """How many of the two labels some periods have, sampled negatives included: none in an empty period."""
        rows = self.rows_of(first, last)
        label = self.log.between(rows.start, rows.stop).label
        if not len(label) or self.negatives is not None:
            return 2 * bool(len(label))
        return 1 + bool(label.min() != label.max())

    def known_before(self, period: int) -> tuple[int, int]:
        """How many users and how many items have a row before a period; they have the lowest ids.

        All earlier rows count, also before the first period, so that it makes no difference how time is cut.
        """
        return self.log.known(self.rows_of(period).start)

    @cached_property
    def _cut(self) -> PeriodCut:
        return PeriodCut(self.log, self.periods, self.root or type(self.source).__name__)
