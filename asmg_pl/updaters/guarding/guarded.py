"""Updaters that generate a model beside the base model, and let a guard decide which of them serves."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.guarding.candidates import Candidates
from asmg_pl.updaters.guarding.guard import Choice, Guard


class Guarded(Updater):
    """Scores the base model, a generated model and blends of both, and serves what its guard chooses.

    A subclass says how ``generated`` is made.

    Attributes:
        generated: Θ*, the newest generated model.
        guard: decides what serves; ``None`` lets the generated model serve.
        candidates: what the guard chooses among; ``None`` without a guard.

    Examples:
        >>> class Copied(Guarded):
        ...     def phases(self, period):
        ...         return [self.scoring(period), *self.updating(period, end=self.copy)]
        ...
        ...     def copy(self):
        ...         self.generated.load_state_dict(self.recommender.state_dict())
        >>> method = Copied(Sizes(users=9, items=9))
        >>> method.serving is method.recommender, Copied(Sizes(users=9, items=9), guard=None).candidates
        (True, None)
    """

    def __init__(
        self,
        sizes: Sizes,
        guard: Guard | None = Guard(),  # noqa: B008 - its settings never change
        **base: Any,
    ) -> None:
        """Build the base model and the generated model.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            guard: decides what serves, the generated model, the incremental one or a blend of both, by what was best on
                the periods already scored. Without one (``null``) the generated model serves, and a generator that
                diverges stops the walk.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        self.generated = copy.deepcopy(self.recommender).requires_grad_(False)
        self.guard = guard
        self.candidates = Candidates(guard, self.recommender, self.generated) if guard is not None else None

    def scored_models(self) -> Mapping[str, Any]:
        """The base model, which is plain incremental update, beside the one that serves."""
        return {"incremental": self.recommender, "serving": self.serving}

    @property
    def serving(self) -> nn.Module:
        """The model that serves: the generated one, or what the guard has chosen."""
        return self.generated if self.candidates is None else self.served_model()

    def logits(self, batch: Batch) -> Mapping[str, Tensor]:
        """With a guard, all candidates are scored."""
        if self.candidates is None:
            return super().logits(batch)
        return self.candidates.logits(batch, self.own_results, self.head)

    def served_model(self) -> nn.Module:
        """With a guard, the chosen candidate."""
        if self.candidates is None:
            return super().served_model()
        return self.candidates.serving(self.own_results, self.head)

    def ranked_models(self) -> Mapping[str, nn.Module]:
        """With a guard, the two models and the chosen candidate; blends that do not serve rank nothing."""
        if self.candidates is None:
            return super().ranked_models()
        return {"incremental": self.recommender, "generated": self.generated, "serving": self.served_model()}

    def choice(self) -> Choice | None:
        """With a guard, what it has chosen."""
        return None if self.candidates is None else self.candidates.choice(self.own_results, self.head)

    def annotated(self, result: PeriodResult) -> PeriodResult:
        """Add what the guard has chosen."""
        return result if self.candidates is None else self.candidates.annotated(result, self.own_results)
