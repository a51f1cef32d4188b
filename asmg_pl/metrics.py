"""Prequential metrics: models' scores on periods that they have not been trained on."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryAUROC

from asmg_pl.results import PeriodResult


class BinaryLogLoss(Metric):
    """Mean of -log p(label) from logits, exact over batches and processes."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    rows: Tensor
    positives: Tensor

    def __init__(self, **kwargs: Any) -> None:
        """Create the metric; keyword arguments go to :class:`torchmetrics.Metric`."""
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("rows", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("positives", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add rows: logits float [B], labels 0 or 1 of any type [B]."""
        self.total += F.binary_cross_entropy_with_logits(logits.double(), labels.double(), reduction="sum")
        self.rows += labels.numel()
        self.positives += (labels > 0).sum()

    def compute(self) -> Tensor:
        """The mean loss, float64 scalar; ``nan`` without rows."""
        return self.total / self.rows


class Scoreboard:
    """AUC and LogLoss of several models over several periods.

    AUC counts a tie as one half, and is ``nan`` for a period with one class only. It ranks logits, not probabilities,
    since those of a confident model tie at 1.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._metrics: dict[int, dict[str, tuple[BinaryAUROC, BinaryLogLoss]]] = {}

    def update(self, period: int, model: str, logits: Tensor, labels: Tensor) -> None:
        """Add rows of a period, scored by a model: logits float [B], labels [B]."""
        models = self._metrics.setdefault(period, {})
        if model not in models:
            models[model] = (BinaryAUROC(validate_args=False).to(logits.device), BinaryLogLoss().to(logits.device))
        auc, logloss = models[model]
        # The metric wants scores between 0 and 1. Softsign is monotone and in float64 keeps any two float32 apart.
        auc.update((F.softsign(logits.double()) + 1) / 2, labels.long())
        logloss.update(logits, labels)

    def periods(self) -> list[int]:
        """The periods that have rows."""
        return list(self._metrics)

    def take(self, period: int, split: str) -> PeriodResult:
        """The result of a period, whose rows are forgotten."""
        scores = {}
        for model, (auc, logloss) in self._metrics.pop(period).items():
            loss = logloss.compute().item()
            rows, positives = int(logloss.rows), int(logloss.positives)
            scores[model] = {"auc": auc.compute().item() if 0 < positives < rows else math.nan, "logloss": loss}
        return PeriodResult(period, split, rows, positives, scores)
