"""What appears with a period: users, items and categories, whose rows in the tables no earlier number depends on."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from asmg_pl.updaters.rows import tenancy
from asmg_pl.updaters.rows.new_rows import NewRows, starts
from asmg_pl.updaters.training import BaseTraining


class Arrivals(BaseTraining):
    """Lets models know which of their rows have appeared, and begins those that appear with a period.

    Attributes:
        new_rows: where a table's row starts when it appears; at random numbers if ``None``.
    """

    new_rows: NewRows | None
    _stands_at = 0

    # ---- what a subclass may define

    def welcome(self, new: Mapping[str, tuple[int, int]]) -> None:
        """Called before a period is scored, if models that serve have other rows than the initial ones.

        Args:
            new: by table, the first place of the rows at hand that appear with the period, and the place after the
                last.
        """

    def admit(self, rows: Mapping[str, Tensor]) -> None:
        """Called after a period was scored, if users or items come and go: some ids have got rows of their own.

        In all models, snapshots and moments, these rows are as new by then.

        Args:
            rows: by table, the places of the rows at hand, int64 [n].
        """

    # ---- what has appeared by now

    def stand_at(self, period: int) -> None:
        """Let all models know which of their rows have appeared by the end of a period; nothing depends on others."""
        if period != self._stands_at:
            self._stands_at = period
            known = period if self._walks or not self.data.tenants else max(period, self.place.trained_until)
            # The epochs of pre-training are compared on the next period.
            self.appeared.tell(self, self.data.sizes_by(known + (known == self.pretrain_periods)))
            tenancy.stand_at(self, self.data, period if self._walks else self.place.trained_until, self.device)

    def welcome_period(self, period: int) -> None:
        """Welcome the rows that appear with a period."""
        before = self.data.sizes_by(period - 1) if period > 1 else None
        new = self.appeared.between(before, self.data.sizes_by(period))
        if self.new_rows is not None:
            self.new_rows.settle(self, self.recommender, period, new)
        self.welcome(new)

    @property
    def _walks(self) -> bool:
        """Whether the trainer fits; an evaluation leaves each id the row that it had when training ended."""
        return self.trainer.state.fn == TrainerFn.FITTING

    def _begin_scoring(self, period: int) -> None:
        tenancy.stand_at(self, self.data, period - 1, self.device)
        self.welcome_period(period)

    def _admit(self, period: int) -> None:
        if self.data.tenants:
            start = starts(self.new_rows, self.recommender, self.data, period)
            begun = tenancy.begin_rows(self, self.recommender, self.trainer.optimizers[0], self.data, period, start)
            tenancy.stand_at(self, self.data, period, self.device)
            self.admit(begun)
