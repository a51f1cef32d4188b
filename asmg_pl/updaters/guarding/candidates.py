"""The candidates that a guard chooses among: the incremental model, the generated one, and blends of the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.recommenders import Recommender
from asmg_pl.serving.headed import Headed
from asmg_pl.updaters.guarding.blend import blend_name, blended, logits_between
from asmg_pl.updaters.guarding.guard import DEFAULT, Choice, Guard
from asmg_pl.updaters.guarding.head import READ, Head
from asmg_pl.updaters.guarding.regret import Regret

GENERATED = "generated"

#: The head on the incremental and the generated model.
HEADED = "headed"


class Candidates:
    """Scores the candidates, and gives the one that serves.

    Attributes:
        guard: chooses what serves.
        begun: whether the generated model is another one than the incremental. As long as it is not, all candidates
            have the incremental model's logits, which are computed once.
    """

    def __init__(self, guard: Guard, base: Recommender, generated: Recommender) -> None:
        """Take the two models, which are not copied.

        Args:
            guard: chooses what serves.
            base: the incremental model θ.
            generated: the generated model θ*.
        """
        self.guard = guard
        self.begun = True
        self._base, self._generated = base, generated
        self._regret = Regret()
        self._blends = {blend_name(alpha): alpha for alpha in guard.blends}

    def logits(self, batch: Batch, results: Mapping[int, PeriodResult], head: Head | None = None) -> dict[str, Tensor]:
        """Logits [B] of all candidates, and as ``"serving"`` those of the chosen one.

        Where a logit of the chosen one is not finite, the incremental model answers.

        Args:
            batch: the mini-batch.
            results: of the periods before its rows.
            head: whose logits are a candidate too.
        """
        shares = {DEFAULT: 0.0, GENERATED: 1.0, **self._blends}
        if self.begun:
            between = logits_between(self._base, self._generated, self._blends.values(), batch)
            found = {name: between[alpha] for name, alpha in shares.items()}
        else:
            found = dict.fromkeys(shares, self._base(batch))
        if head is not None:
            found[HEADED] = head({name: found[name] for name in READ}, batch)
        chosen = found[self._choose(results, found).served]
        return found | {"serving": torch.where(chosen.isfinite(), chosen, found[DEFAULT])}

    def serving(self, results: Mapping[int, PeriodResult], head: Head | None = None) -> nn.Module:
        """The chosen candidate as a model; a blend is made anew each time.

        Args:
            results: of the periods scored so far.
            head: may be chosen too.
        """
        served = self.choice(results, head).served
        if head is not None and served == HEADED:
            return Headed(dict(zip(READ, (self._base, self._generated), strict=True)), head.numbers)
        if served in self._blends:
            return blended(self._base, self._generated, self._blends[served])
        return self._generated if served == GENERATED else self._base

    def choice(self, results: Mapping[int, PeriodResult], head: Head | None = None) -> Choice:
        """What serves the period after the scored ones, and why.

        Args:
            results: of the periods scored so far.
            head: may be chosen too.
        """
        return self._choose(results, (DEFAULT, GENERATED, *self._blends, *([] if head is None else [HEADED])))

    def annotated(self, result: PeriodResult, results: Mapping[int, PeriodResult]) -> PeriodResult:
        """A period's result with what has served it, why, and with which regret so far.

        Args:
            result: its scores.
            results: of the periods before it.
        """
        if result.period in results:  # an evaluation may score it again
            results = {period: each for period, each in results.items() if period != result.period}
        served, why = self._choose(results, result.scores)
        return replace(result, served=served, why=why, regret=self._regret.over(results, result))

    def _choose(self, results: Mapping[int, PeriodResult], names: Iterable[str]) -> Choice:
        choice = self.guard.choose(results)
        if choice.served in names:
            return choice
        return Choice(DEFAULT, f"default: {choice.served} is a candidate no longer")
