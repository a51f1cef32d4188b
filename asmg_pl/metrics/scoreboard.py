"""The scoreboard: the scores of several models on several periods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.metrics.probability import log_loss
from asmg_pl.metrics.results import COUNTS, PeriodResult
from asmg_pl.metrics.scored_rows import Gathered, ScoredRows


class Scoreboard:
    """Collects the scored rows of periods, and turns the rows of a period into its result.

    Each of several processes adds its own rows, to each period at least once, if need be a batch without rows. Each
    process takes the result of all rows.

    Attributes:
        gathered: the rows of the period whose result was taken last.

    Examples:
        >>> import torch
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=100).read(None)
        >>> batch = log.batch(torch.arange(50, 100), history_size=0)

        >>> board = Scoreboard(known_before=lambda period: log.known(50))
        >>> board.update(2, {"serving": torch.zeros(50)}, batch)
        >>> board.take(2, "test").scores["serving"]["auc"]
        0.5
    """

    def __init__(self, known_before: Callable[[int], tuple[int, int]]) -> None:
        """Start empty.

        Args:
            known_before: gives the numbers of users and items that have a row before a period.
        """
        self._known_before = known_before
        self.gathered: Gathered | None = None
        self._rows: dict[int, ScoredRows] = {}

    def update(self, period: int, logits: Mapping[str, Tensor], batch: Batch) -> None:
        """Add a mini-batch of a period, with the logits, float [B], that each model gives its rows."""
        if period not in self._rows:
            self._rows[period] = ScoredRows(list(logits), self._known_before(period), weighted=batch.weight is not None)
        self._rows[period].update(logits, batch)

    def periods(self) -> list[int]:
        """The periods that have rows."""
        return list(self._rows)

    def take(self, period: int, split: str) -> PeriodResult:
        """Give the result of a period, and forget its rows, but for those in ``gathered``.

        Raises:
            KeyError: if nothing has been added to the period.
        """
        rows = self._rows.pop(period)
        counts, scores, diverged, constant = rows.compute()
        self.gathered = rows.gathered
        total, positives, new_users, new_items = (counts[name] for name in COUNTS)
        return PeriodResult(
            *(period, split, total, positives, new_users, new_items, scores),
            diverged=diverged,
            constant=constant,
            known_logloss={} if rows.gathered is None else known_losses(rows.gathered),
            positive_weight=None if rows.gathered is None else _positive_weight(rows.gathered),
        )


def _positive_weight(rows: Gathered) -> float | None:
    """The sum of the weights of a period's positive rows; ``None`` if each row counts 1."""
    return None if rows.weight is None else float(rows.weight[rows.label > 0].double().sum())


def known_losses(rows: Gathered) -> dict[str, float]:
    """Each model's LogLoss on the rows whose user and item both have a row before the period.

    Args:
        rows: those of the period.
    """
    users, items = rows.known
    both = ((rows.user < users) & (rows.item < items)).nonzero().squeeze(1)
    label, weight = rows.label[both], None if rows.weight is None else rows.weight[both]
    found = {}
    for model, logits in rows.logits.items():
        sound = bool(logits.isfinite().all())
        found[model] = float(log_loss(logits[both], label, weight)) if sound else math.nan
    return found
