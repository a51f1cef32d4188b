"""AUC by counting, for all rows, for groups of rows, and as a weighted mean over users (GAUC).

    AUC = (pairs of a positive and a negative in the right order + ½ · pairs that tie) / all pairs

A cell holds the rows of one group that have the same score. Each positive wins against the negatives in the group's
lower cells, and half against those in its own:

    cells of a group, by rising score      2+ 1-       0+ 3-       1+ 1-
    negatives below                           0           1           4
    pairs won                           2 · (0 + ½)       0      1 · (4 + ½)     AUC = 5½ / (3 · 5)

All counts are whole numbers until the one division at the end. So an AUC depends neither on the order of the rows nor
on the mini-batches and processes that they were spread over.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Groups(NamedTuple):
    """The groups that rows are in. They are found once, and then serve the rankings of several models.

    Attributes:
        number: each row's group, int64 [N], from 0 on.
        rows: how many rows each group has, int64 [groups].

    Examples:
        >>> Groups.by(torch.tensor([70, 30, 70]))
        Groups(number=tensor([1, 0, 1]), rows=tensor([1, 2]))
    """

    number: Tensor
    rows: Tensor

    @classmethod
    def by(cls, ids: Tensor) -> Groups:
        """Put the rows with one id into one group.

        Args:
            ids: of any integers, int64 [N].
        """
        return cls(*ids.unique(return_inverse=True, return_counts=True)[1:])


class Ranking:
    """Rows in the order of a model's scores. They are sorted once, and then give the AUC of any groups.

    Examples:
        >>> ranking = Ranking(torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([0, 0, 1, 1]))
        >>> ranking.auc().item()  # of four pairs, three are in order and one ties
        0.875
        >>> ranking.gauc(torch.tensor([0, 1, 1, 0])).item()  # of users 0 and 1: 1 and ½
        0.75
    """

    def __init__(self, scores: Tensor, labels: Tensor) -> None:
        """Rank rows.

        Args:
            scores: of any real type [N], the higher the likelier. Logits do better than probabilities, which tie at 1
                where a model is confident. If one score is no number, the rows have no order, and
                every AUC is ``nan``.
            labels: 0 or 1, of any type [N].
        """
        self._ordered = not bool(scores.isnan().any())
        ordered, self._order = _sortable(scores).sort()
        rows = ordered.unique_consecutive(return_counts=True)[1]  # of each distinct score
        self._first, self._last = _ranges(rows)
        self._positive = (labels > 0)[self._order]

    def auc(self, rows: Tensor | None = None) -> Tensor:
        """The area under the ROC curve, float64 scalar; ``nan`` unless there are both classes.

        It is the share of (positive, negative) pairs in the right order, where a tie counts one half; see Hanley and
        McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 1982.

        Args:
            rows: the rows that count, bool [N]; by default all.
        """
        positive, negative = self._positive, ~self._positive
        if rows is not None:
            counts = rows[self._order]
            positive, negative = positive & counts, negative & counts
        below, beaten = _beaten(negative, self._first, self._last)
        return self._area((positive * beaten).sum(), positive.sum(), below[-1])

    def auc_by_group(self, group: Tensor, groups: int) -> Tensor:
        """AUC within each group, float64 [groups]; ``nan`` where a group lacks a class.

        Args:
            group: each row's group, int64 [N], from 0 to ``groups - 1``.
            groups: how many groups there are; some may have no row.
        """
        of_row, places = group[self._order].int().sort(stable=True)  # by group, then by score; 32 bits sort faster
        level, positive = self._first[places], self._positive[places]
        cell = of_row.long() * (len(level) + 1) + level
        cells = _ranges(cell.unique_consecutive(return_counts=True)[1])
        below, beaten = _beaten(~positive, *cells)
        bounds = F.pad(torch.bincount(of_row, minlength=groups).cumsum(0), (1, 0))  # where groups begin and end

        def by_group(sums: Tensor) -> Tensor:  # [N + 1], over the rows before each -> [groups]
            return sums[bounds].diff()

        positives, won_twice = (by_group(_before(each)) for each in (positive, positive * beaten))
        won_twice = won_twice - 2 * positives * below[bounds[:-1]]  # negatives of earlier groups do not count
        return self._area(won_twice, positives, by_group(below))

    def _area(self, won_twice: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """AUC from twice the number of pairs that are won, and the numbers of rows, int64 each; float64."""
        auc = won_twice.double() / (2 * positives * negatives).double()
        return auc if self._ordered else torch.full_like(auc, torch.nan)

    def gauc(self, user: Tensor | Groups) -> Tensor:
        """The mean of the users' own AUCs, weighted by their rows, float64 scalar.

            GAUC = Σ_u n_u · AUC_u / Σ_u n_u     over the users with both classes; ``nan`` if there is none

        Source: Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", KDD 2017, weighted by impressions.

        Args:
            user: each row's user, int64 [N]; or the rows in groups by user.
        """
        group, rows = user if isinstance(user, Groups) else Groups.by(user)
        auc = self.auc_by_group(group, len(rows))  # [users]
        counts = ~auc.isnan()
        return auc[counts] @ rows[counts].double() / rows[counts].sum()


def _sortable(scores: Tensor) -> Tensor:
    """Numbers [N] in the order of the scores: of float32, integers, which are sorted in a quarter of the time.

    The bits of a float32, read as an integer, rise with it; below 0 they fall.
    """
    if scores.dtype != torch.float32:
        return scores
    bits = (scores + 0.0).view(torch.int32)  # the sum makes -0.0 the same as 0.0
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _ranges(rows: Tensor) -> tuple[Tensor, Tensor]:
    """For each of N rows, where its run of rows begins and ends, int64 [N] each.

    Args:
        rows: how many rows each run has, int64 [runs].
    """
    ends = rows.cumsum(0)
    return (ends - rows).repeat_interleave(rows), ends.repeat_interleave(rows)


def _before(values: Tensor) -> Tensor:
    """The sum of the values before each of N rows, and of all at the end, int64 [N + 1]."""
    return F.pad(values.cumsum(0), (1, 0))


def _beaten(negative: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """How many negatives stand before each row, int64 [N + 1], and twice as many as it would win against, int64 [N].

    Args:
        negative: which rows are negative, by rising score, bool [N].
        first: where the cell of each row begins, int64 [N].
        last: where it ends, int64 [N].
    """
    below = _before(negative)
    return below, below.index_select(0, first) + below.index_select(0, last)
