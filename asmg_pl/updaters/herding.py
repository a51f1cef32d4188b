"""Herding: a few rows of each group whose mean feature stays close to that of the whole group.

           features of a group       ○   ○      after each choice, the chosen rows' mean (×) is as close
                                   ○   ×   ●    to the group's mean as one more row can bring it
                                     ●   ○

Source: Welling, "Herding Dynamical Weights to Learn", ICML 2009, in the form of Rebuffi et al., "iCaRL", CVPR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor


def quotas(counts: Tensor, budget: int) -> Tensor:
    """Divide a budget over groups in proportion to their sizes, by largest remainder.

    Every group gets its exact share rounded down, and what is left goes one by one to the largest remainders, of equal
    ones to the first. So with more groups than budget, the smallest groups get nothing.

    Args:
        counts: rows of each group, int64 [G].
        budget: rows to choose, at most the sum of ``counts``.

    Returns:
        int64 [G], each at most the group's count; they sum to ``budget``.
    """
    exact, total = counts * budget, int(counts.sum())  # in units of 1 / total
    shares, remainders = exact // total, exact % total
    shares[remainders.argsort(descending=True, stable=True)[: budget - int(shares.sum())]] += 1
    return shares


def herd(features: Tensor, groups: Tensor, quotas: Tensor) -> Tensor:
    """Choose rows of each group, one after the other, each the one that brings the chosen rows' mean closest.

    All groups choose at once, so there are as many rounds as the largest quota. A round reads the rows that are left
    in the groups that still choose. Of equally close rows the first is chosen.

    Args:
        features: float [n, F].
        groups: the group of each row, int64 [n], in 0 … G-1.
        quotas: rows to choose of each group, int64 [G], at most as many as it has.

    Returns:
        positions of the chosen rows, int64, ascending.
    """
    sizes = groups.bincount(minlength=len(quotas)).clamp(min=1)
    mean = features.new_zeros(len(quotas), features.shape[1]).index_add_(0, groups, features) / sizes[:, None]
    # The mean of s-1 chosen rows and f is closest to the group's where f is closest to s · mean - the chosen rows' sum.
    wanted = mean.clone()
    left, chosen = torch.arange(len(groups), device=groups.device), [groups[:0]]
    for turn in range(int(quotas.max())):
        left = left[quotas[groups[left]] > turn]
        of = groups[left]
        distance = (features[left] - wanted[of]).square().sum(1)
        least = distance.new_full((len(quotas),), torch.inf).scatter_reduce(0, of, distance, "amin")
        places = torch.arange(len(left), device=left.device).masked_fill(distance > least[of], len(left))
        first = places.new_full((len(quotas),), len(left)).scatter_reduce(0, of, places, "amin")
        first = first[first < len(left)]  # one place in `left` for each group that still chooses
        taken = left[first]
        wanted[groups[taken]] += mean[groups[taken]] - features[taken]
        chosen.append(taken)
        left = left[torch.ones_like(left, dtype=torch.bool).index_fill(0, first, False)]
    return torch.cat(chosen).sort().values
