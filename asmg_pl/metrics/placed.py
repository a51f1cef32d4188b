"""The metrics of lists from the places of the cases' items, with equal scores counted fairly.

scores   .9  .7  .4  .4  .4  .2      the case's item is one of the three with .4
places    1   2  3 4 5 .   6         above 2, ties 2 ─▶ each of the places 3, 4 and 5 with a chance of 1/3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asmg_pl.metrics.probability import mean
from asmg_pl.metrics.top_k import OF_CASES


class Placed(NamedTuple):
    """Where the items of n cases stand among their candidates.

    Attributes:
        above: how many candidates have a higher score, int64 [n].
        ties: how many other candidates have the same score, int64 [n].
        missed: whether the item is no candidate, bool [n]; the other two say nothing then.
    """

    above: Tensor
    ties: Tensor
    missed: Tensor

    def gains(self, at: int) -> dict[str, Tensor]:
        """What each case counts in a list of ``at`` items, by metric, float64 [n].

        Examples:
            >>> one = torch.tensor([2]), torch.tensor([2]), torch.tensor([False])  # the place is 3, 4 or 5
            >>> {name: round(float(gain), 4) for name, gain in Placed(*one).gains(4).items()}
            {'hr': 0.6667, 'ndcg': 0.3102, 'mrr': 0.1944, 'recall': 0.6667}
        """
        place = torch.arange(1, at + 1, dtype=torch.float64, device=self.above.device)
        hit = self._mean(torch.ones_like(place))
        return {
            "hr": hit,
            "ndcg": self._mean(1 / torch.log2(1 + place)),
            "mrr": self._mean(1 / place),
            "recall": hit,
        }

    def _mean(self, gain: Tensor) -> Tensor:
        """The mean of a gain [K] over the places that each case may have; 0 beyond the last one, and if missed."""
        until = torch.cat([gain.new_zeros(1), gain.cumsum(0)])
        first, last = self.above.clamp(max=len(gain)), (self.above + self.ties + 1).clamp(max=len(gain))
        return torch.where(self.missed, 0.0, (until[last] - until[first]) / (self.ties + 1))


def means(
    placed: Placed, user: Tensor, groups: Mapping[str, Tensor], at: Sequence[int], weight: Tensor | None = None
) -> dict[str, float]:
    """The metrics of the cases: of all, and of those in each group, by name; ``nan`` without a case.

    Args:
        placed: where the cases' items stand.
        user: the user of each case, int64 [n]; recall is the mean over the users.
        groups: by name, whether each case is in a group, bool [n].
        at: the lengths of lists.
        weight: what each case counts, above 0, float [n]; by default 1.
    """
    parts = {"": torch.ones_like(placed.missed)} | {f"_{name}": chosen for name, chosen in groups.items()}
    found = {}
    gains = {k: placed.gains(k) for k in at}
    for suffix, chosen in parts.items():
        counts = None if weight is None else weight[chosen]
        for k in at:
            for metric in OF_CASES:
                gain = gains[k][metric][chosen]
                found[f"{metric}_at_{k}{suffix}"] = float(
                    mean_by(gain, user[chosen], counts) if metric == "recall" else mean(gain, counts)
                )
    return found


def mean_by(values: Tensor, group: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean of the groups' means, float64 scalar; ``nan`` without a value.

    Args:
        values: float64 [n].
        group: of each value, int64 [n].
        weight: what each value counts within its group, above 0, float [n]; by default 1.

    Examples:
        >>> mean_by(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([4, 4, 9])).item()
        0.25
    """
    distinct, place = group.unique(return_inverse=True)
    counts = torch.ones_like(values) if weight is None else weight.to(values.dtype)
    sums = values.new_zeros(2, len(distinct)).index_add_(1, place, torch.stack([values * counts, counts]))
    return (sums[0] / sums[1]).mean()
