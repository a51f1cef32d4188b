"""Incremental updates that the model of the period before teaches."""

from __future__ import annotations

import copy
from typing import Any

from asmg_pl.data.sizes import Sizes
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.walking.phase import Phase


class Taught(Updater):
    """Keeps Θ_{t-1} while Θ_t is trained. A subclass says in ``loss`` what the teacher teaches.

    Attributes:
        teacher: Θ_{t-1}, without gradients.

    Examples:
        A method that holds the new logits near the old ones:

        >>> class Held(Taught):
        ...     def loss(self, batch):
        ...         return super().loss(batch) + (self.recommender(batch) - self.teacher(batch)).square().mean()
        >>> method = Held(Sizes(users=9, items=9))
        >>> any(parameter.requires_grad for parameter in method.teacher.parameters())
        False
    """

    def __init__(self, sizes: Sizes, **base: Any) -> None:
        """Build the base model and its teacher.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        self.teacher = copy.deepcopy(self.recommender).requires_grad_(False)

    def phases(self, period: int) -> list[Phase]:
        """Score, take the model as teacher, update."""
        return [self.scoring(period, end=self.take_teacher), *self.updating(period)]

    def take_teacher(self) -> None:
        """Θ_{t-1} teaches Θ_t."""
        self.teacher.load_state_dict(self.recommender.state_dict())
