"""Objectives of the rank of each positive row's item: a softmax over its logit and those of candidates."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.distributed.processes import gathered
from asmg_pl.errors import ConfigError
from asmg_pl.randomness.keyed import fraction
from asmg_pl.recommenders import Recommender
from asmg_pl.recommenders.ranked import dot_product
from asmg_pl.updaters.checks import check_at_least
from asmg_pl.updaters.losses import row_mean
from asmg_pl.updaters.objectives.base import Objective, Step


class Softmax(Objective):
    """The cross-entropy of each positive row's item with the softmax over its logit and those of candidates.

    Rows of label 0 add nothing; the sum over the others is divided by the number of all rows. A candidate that is the
    row's own item counts once. Recommenders whose logit is a dot product can be trained so, as
    :class:`~asmg_pl.recommenders.SASRec`, :class:`~asmg_pl.recommenders.GRU4Rec`,
    :class:`~asmg_pl.recommenders.TwoTower` and :class:`~asmg_pl.recommenders.MatrixFactorization`.
    """

    asks = True

    def asked(self, batch: Batch, step: Step) -> Batch:
        """The mini-batch, with its candidates."""
        items, log_expected = self.candidates(batch, step)
        return batch._replace(candidates=items, log_expected=log_expected)

    def check(self, recommender: Recommender, accumulate: int = 1) -> None:
        """Refuse a model whose logit is no dot product."""
        if dot_product(recommender) is None:
            raise ConfigError(
                f"model.objective {type(self).__name__} ranks items by dot products, and {type(recommender).__name__} "
                "has none: choose SASRec, GRU4Rec, TwoTower or MatrixFactorization as model.recommender, or leave "
                "model.objective out"
            )

    @abstractmethod
    def candidates(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """The items among which the items of a mini-batch are ranked, on its device.

        All processes choose the same ones. None of them appears after the step's period.

        Returns:
            Item ids, int64 [C], and the logarithm of how often each is expected among them, float32 [C].
        """

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean of the softmax cross-entropy of logits [B, 1+C], of which the first is that of the row's item."""
        assert batch.candidates is not None
        assert batch.log_expected is not None
        logits, own = logits.float(), batch.candidates == batch.item[:, None]
        others = (logits[:, 1:] - batch.log_expected).masked_fill(own, float("-inf"))
        total = torch.cat([logits[:, :1], others], dim=1).logsumexp(1)
        return row_mean(batch.label * (total - logits[:, 0]), batch)


class FullSoftmax(Softmax):
    """The softmax over all items known by then. Each step reads all of their rows."""

    def candidates(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """All items known by then."""
        items = torch.arange(step.known, device=batch.item.device)
        return items, torch.zeros(len(items), device=items.device)


class SampledSoftmax(Softmax):
    """The softmax over some items, drawn anew for each step, with equal chance, among all items known by then.

    All rows of a mini-batch are ranked among the same items. The draws depend on the seed, the pass and the step alone.
    The sum over n drawn items is scaled to that over all N known ones, by N / n. Source: Jean et al., "On Using Very
    Large Target Vocabulary for Neural Machine Translation", ACL 2015.

    Examples:
        >>> from asmg_pl.data.sizes import Sizes
        >>> from asmg_pl.recommenders import SASRec
        >>> from asmg_pl.updaters import IncrementalUpdate
        >>> method = IncrementalUpdate(
        ...     Sizes(users=9, items=9), recommender=SASRec, objective=SampledSoftmax(negatives=5)
        ... )
        >>> type(method.objective).__name__
        'SampledSoftmax'
    """

    def __init__(self, negatives: int = 100) -> None:
        """Choose the number of items.

        Args:
            negatives: items that are drawn for each step, with replacement.

        Raises:
            ConfigError: if it is below 1.
        """
        check_at_least(1, **{"objective.negatives": negatives})
        self.negatives = negatives

    def candidates(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """Items drawn among those known by then."""
        numbers = torch.arange(self.negatives, device=batch.item.device)
        items = (fraction(numbers, *step.key) * step.known).long()
        expected = torch.full((self.negatives,), self.negatives / step.known, device=items.device)
        return items, expected.log()


class InBatchSoftmax(Softmax):
    """The softmax over the items of the mini-batch's positive rows, over all processes. No further row is read.

    Popular items are often in a mini-batch. The log-q correction makes up for it: log q is subtracted from the logit of
    a candidate that is expected q times among the other rows. That is their number times the item's share of the
    positive rows that the pass reads. Source: Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
    Recommendations", RecSys 2019, which estimates the shares along the stream; here they are counted, in a period that
    is complete.
    """

    def __init__(self, correction: bool = True) -> None:
        """Choose whether to correct.

        Args:
            correction: whether logits of candidates are corrected by how often they are expected.
        """
        self.correction = correction
        self._counted: tuple[Reading | None, dict[tuple[int, ...], Tensor]] = None, {}  # of the pass at hand

    def check(self, recommender: Recommender, accumulate: int = 1) -> None:
        """Refuse a model whose logit is no dot product, and micro-batches, which do not know each other's items."""
        super().check(recommender, accumulate)
        if accumulate > 1:
            raise ConfigError(
                f"model.objective InBatchSoftmax ranks among the items of whole mini-batches, and data.accumulate is "
                f"{accumulate}: set it to 1 and lower data.batch_size, or choose SampledSoftmax"
            )

    def candidates(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """The items of all positive rows of the whole mini-batch."""
        items = gathered(batch.item[batch.label > 0])
        if not self.correction:
            return items, torch.zeros(len(items), device=items.device)
        others = max(len(items) - 1, 1)
        return items, (self._shares(step).to(items.device)[items] * others).log()

    def _shares(self, step: Step) -> Tensor:
        """The share of each item among the positive rows that are read, float32 [items]."""
        if self._counted[0] is not step.reading:
            self._counted = step.reading, {}
        found = self._counted[1]
        if step.periods not in found:
            found[step.periods] = _shares_of(step)
        return found[step.periods]


def _shares_of(step: Step) -> Tensor:
    spans = [step.data.rows_of(period) for period in step.periods]
    rows = step.reading.rows
    if rows is None:
        rows = torch.cat([torch.arange(span.start, span.stop) for span in spans])
    read = step.data.log.batch(rows, history_size=0)
    counts = read.item[read.label > 0].bincount(minlength=step.known)
    return (counts / counts.sum()).float()
