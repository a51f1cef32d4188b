"""AUC by counting, for all rows, for groups of rows, and as a weighted mean over users (GAUC).

    AUC = (pairs of a positive and a negative in the right order + ½ · pairs that tie) / all pairs

A cell holds the rows of one group that have the same score. Each positive wins against the negatives in the group's
lower cells, and half against those in its own:

    cells of a group, by rising score      2+ 1-       0+ 3-       1+ 1-
    negatives below                           0           1           4
    pairs won                           2 · (0 + ½)       0      1 · (4 + ½)     AUC = 5½ / (3 · 5)

All counts are whole numbers until the one division at the end. So an AUC depends neither on the order of the rows nor
on the mini-batches and processes that they were spread over.

Rows with weights count that much, and a pair the product of its two weights. Weights are made whole numbers first, and
cells add up in the order of their scores, so that their AUC does not depend on the order of the rows either.
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
        >>> weights = torch.tensor([1.0, 0.0, 2.0, 1.0])  # without the tie, all pairs are in order
        >>> Ranking(torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([0, 0, 1, 1]), weights).auc().item()
        1.0
    """

    def __init__(self, scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> None:
        """Rank rows.

        Args:
            scores: of any real type [N], the higher the likelier. Logits do better than probabilities, which tie at 1
                where a model is confident. If one score is no number, the rows have no order, and
                every AUC is ``nan``.
            labels: 0 or 1, of any type [N].
            weights: what each row counts, from 0 on, float [N]; by default 1.
        """
        self._ordered = not bool(scores.isnan().any())
        ordered, self._order = _sortable(scores).sort()
        _, self._level, rows = ordered.unique_consecutive(return_inverse=True, return_counts=True)
        self._cells = _ranges(rows)
        self._size = None if weights is None else whole_numbers(weights)[self._order]
        self._number = torch.int64 if weights is None else torch.float64  # of pairs: those of weights may be too many
        positive = (labels > 0)[self._order]
        self._positive, self._negative = self._sized(positive), self._sized(~positive)

    def auc(self, rows: Tensor | None = None) -> Tensor:
        """The area under the ROC curve, float64 scalar; ``nan`` unless there are both classes.

        It is the share of (positive, negative) pairs in the right order, where a tie counts one half; see Hanley and
        McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 1982.

        Args:
            rows: the rows that count, bool [N]; by default all.
        """
        positive, negative = self._positive, self._negative
        if rows is not None:
            counts = rows[self._order]
            positive, negative = positive * counts, negative * counts
        begins, ends = self._cells
        above, below = _before(positive), _before(negative)
        won_twice = self._pairs(above[ends] - above[begins], below[begins] + below[ends])
        return self._area(won_twice.sum(), above[-1], below[-1])

    def auc_by_group(self, group: Tensor, groups: int) -> Tensor:
        """AUC within each group, float64 [groups]; ``nan`` where a group lacks a class.

        Args:
            group: each row's group, int64 [N], from 0 to ``groups - 1``.
            groups: how many groups there are; some may have no row.
        """
        of_row, places = group[self._order].int().sort(stable=True)  # by group, then by score; 32 bits sort faster
        cell = of_row.long() * (len(places) + 1) + self._level[places]
        begins, ends = _ranges(cell.unique_consecutive(return_counts=True)[1])
        of_cell = of_row[begins].long()
        above, below = _before(self._positive[places]), _before(self._negative[places])
        bounds = F.pad(torch.bincount(of_row, minlength=groups).cumsum(0), (1, 0))  # where groups begin and end
        earlier = below[bounds[:-1]][of_cell]  # negatives of earlier groups do not count
        pairs = self._pairs(above[ends] - above[begins], below[begins] + below[ends] - 2 * earlier)
        won_twice = pairs.new_zeros(groups).index_add_(0, of_cell, pairs)
        return self._area(won_twice, above[bounds].diff(), below[bounds].diff())

    def _sized(self, chosen: Tensor) -> Tensor:
        """What each row counts, int64 or bool [N]; 0 if it is not chosen."""
        return chosen if self._size is None else chosen * self._size

    def _pairs(self, positives: Tensor, beaten: Tensor) -> Tensor:
        """How many pairs positives make with the negatives that they beat, int64, or float64 with weights."""
        return positives.to(self._number) * beaten.to(self._number)

    def _area(self, won_twice: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """AUC from twice the number of pairs that are won, and the numbers of rows, int64 each; float64."""
        auc = won_twice.double() / (2 * self._pairs(positives, negatives)).double()
        return auc if self._ordered else torch.full_like(auc, torch.nan)

    def gauc(self, user: Tensor | Groups) -> Tensor:
        """The mean of the users' own AUCs, weighted by their rows, float64 scalar.

            GAUC = Σ_u n_u · AUC_u / Σ_u n_u     over the users with both classes; ``nan`` if there is none

        With weights, n_u is the sum of the weights of the user's rows.

        Source: Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", KDD 2017, weighted by impressions.

        Args:
            user: each row's user, int64 [N]; or the rows in groups by user.
        """
        group, rows = user if isinstance(user, Groups) else Groups.by(user)
        auc = self.auc_by_group(group, len(rows))  # [users]
        if self._size is not None:
            rows = torch.zeros_like(rows).index_add_(0, group[self._order], self._size)
        counts = ~auc.isnan()
        return auc[counts] @ rows[counts].double() / rows[counts].sum()


def whole_numbers(weights: Tensor) -> Tensor:
    """Weights as multiples of one power of 2, of which all together are at most 2**61; int64 [N].

    Their sums are exact. A weight below the 2**17th part of the largest one, in a million rows, is rounded to a
    multiple of the 2**41st part.

    Args:
        weights: from 0 on, float [N].

    Examples:
        >>> ones, twos = whole_numbers(torch.tensor([1.0, 2.0, 0.0]))[:2].tolist()
        >>> twos / ones
        2.0
    """
    exact = weights.double()
    most = F.pad(exact, (0, 1)).amax() * len(exact)
    return torch.ldexp(exact, 61.0 - torch.frexp(most).exponent.double()).round().long()


def _sortable(scores: Tensor) -> Tensor:
    """Numbers [N] in the order of the scores: of float32, integers, which are sorted in a quarter of the time.

    The bits of a float32, read as an integer, rise with it; below 0 they fall.
    """
    if scores.dtype != torch.float32:
        return scores
    bits = (scores + 0.0).view(torch.int32)  # the sum makes -0.0 the same as 0.0
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _ranges(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where each run of rows begins and ends, int64 [runs] each.

    Args:
        rows: how many rows each run has, int64 [runs].
    """
    ends = rows.cumsum(0)
    return ends - rows, ends


def _before(values: Tensor) -> Tensor:
    """The sum of the values before each of N rows, and of all at the end, int64 [N + 1]."""
    return F.pad(values.cumsum(0), (1, 0))
