"""Scoring periods: what models give the rows of a period becomes the period's result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.metrics import Scoreboard
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.updaters.guarding.guard import DEFAULT
from asmg_pl.updaters.guarding.head import Head

log = logging.getLogger(__name__)


class Scoring:
    """Scores models on periods, and tells which of the scores count as a test.

    Attributes:
        pretrain_periods: how many periods pre-train the models.
        test_from: the first period whose score counts as a test.
    """

    def __init__(self, known_before: Callable[[int], tuple[int, int]], pretrain_periods: int, test_from: int) -> None:
        """Begin with no scores.

        Args:
            known_before: how many users and how many items have a row before a period.
            pretrain_periods: how many periods pre-train the models.
            test_from: the first period whose score counts as a test.
        """
        self.pretrain_periods = pretrain_periods
        self.test_from = test_from
        self._scoreboard = Scoreboard(known_before)

    def score(self, period: int, logits: Callable[[Batch], Mapping[str, Tensor]], batch: Batch) -> None:
        """Score a mini-batch of a period, in float32 whatever the trainer's precision.

        Args:
            period: the period.
            logits: gives the logits [B] of each model.
            batch: the mini-batch.
        """
        with torch.autocast(batch.label.device.type, enabled=False):
            self._scoreboard.update(period, logits(batch), batch)

    def result(self, period: int, head: Head | None = None) -> PeriodResult:
        """The result of a period, all of whose rows have been scored.

        Args:
            period: the period.
            head: learns from the rows.
        """
        result = self._scoreboard.take(period, self.split_of(period))
        if head is not None and self._scoreboard.gathered is not None:
            head.learn(period, self._scoreboard.gathered)
        self._scoreboard.gathered = None
        return result

    def evaluation(self, trained_until: int) -> dict[int, PeriodResult]:
        """The results of all periods that have been scored, in this order.

        Args:
            trained_until: the latest period that the models have been trained on.
        """
        return {
            period: self._scoreboard.take(period, "seen" if period <= trained_until else self.split_of(period))
            for period in self._scoreboard.periods()
        }

    def split_of(self, period: int) -> str:
        """``"selection"``, ``"warm-up"`` or ``"test"``, see :class:`~asmg_pl.metrics.results.PeriodResult`."""
        if self.pretrain_periods and period == self.pretrain_periods + 1:
            return "selection"
        return "test" if period >= self.test_from else "warm-up"


def diverged(result: PeriodResult) -> list[str]:
    """In words, the models of which some scores are not finite.

    Where a guard has chosen what serves, the incremental model alone must be sound: the others are held back.
    """
    guarded = result.served is not None
    found = {model: rows for model, rows in result.diverged.items() if not guarded or model == DEFAULT}
    scores = "the scores of {!r} for {:,} of {:,} rows of period {}"
    return [scores.format(model, rows, result.rows, result.period) for model, rows in found.items()]


def warn_if_constant(result: PeriodResult, before: PeriodResult | None) -> None:
    """Say so when the base model begins to give all rows one score, since nothing but a new pre-training mends that.

    Args:
        result: of a period.
        before: of the period before it, if that was scored.
    """
    base = DEFAULT if DEFAULT in result.scores else "serving"
    if base in result.constant and (before is None or base not in before.constant):
        log.warning(
            "the base model gives all rows of period %d one score, and tells none apart: lower "
            "model.init_args.learning_rate and model.init_args.pretrain_learning_rate, and walk again",
            result.period,
        )
