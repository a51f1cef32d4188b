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

import torch
from torch import Tensor


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
        scores, self._order = scores.sort()
        self._ordered = not bool(scores[-1:].isnan().any())  # NaN is sorted to the end
        distinct, self._level = scores.unique_consecutive(return_inverse=True)  # 0, 1, … by rising score
        self._levels = len(distinct)
        self._positive = (labels > 0)[self._order].long()

    def auc(self) -> Tensor:
        """The area under the ROC curve, float64 scalar; ``nan`` unless there are both classes.

        It is the share of (positive, negative) pairs in the right order, where a tie counts one half; see Hanley and
        McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 1982.
        """
        return self.auc_by_group(torch.zeros_like(self._level), 1)[0]

    def auc_by_group(self, group: Tensor, groups: int) -> Tensor:
        """AUC within each group, float64 [groups]; ``nan`` where a group lacks a class.

        Args:
            group: each row's group, int64 [N], from 0 to ``groups - 1``.
            groups: how many groups there are; some may have no row.
        """
        cell = group[self._order] * self._levels + self._level  # [N], numbered by group, then by score
        if groups <= 2:  # few cells can be empty, and looking for them would take longer than counting them
            cells = torch.arange(groups * self._levels, device=cell.device)  # [C]
        else:
            cells, cell = cell.unique(return_inverse=True)
        owner = cells // self._levels  # the group of each cell
        negative, positive = torch.bincount(2 * cell + self._positive, minlength=2 * len(cells)).view(-1, 2).unbind(1)

        def by_group(values: Tensor) -> Tensor:  # [C] -> [groups]
            return values.new_zeros(groups).index_add(0, owner, values)

        positives, negatives = by_group(positive), by_group(negative)
        earlier = negatives.cumsum(0) - negatives  # [groups], in the groups before
        below = negative.cumsum(0) - negative - earlier[owner]  # [C]
        won_twice = by_group(positive * (2 * below + negative))
        auc = won_twice.double() / (2 * positives * negatives).double()
        return auc if self._ordered else torch.full_like(auc, torch.nan)

    def gauc(self, user: Tensor) -> Tensor:
        """The mean of the users' own AUCs, weighted by their rows, float64 scalar.

            GAUC = Σ_u n_u · AUC_u / Σ_u n_u     over the users with both classes; ``nan`` if there is none

        Source: Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", KDD 2017, weighted by impressions.

        Args:
            user: each row's user, int64 [N].
        """
        _, group, rows = user.unique(return_inverse=True, return_counts=True)
        auc = self.auc_by_group(group, len(rows))  # [users]
        counts = ~auc.isnan()
        return auc[counts] @ rows[counts].double() / rows[counts].sum()
