"""An index of who has interacted with which item since when, from which negatives are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from asmg_pl.randomness.chance import Chance
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

Rule = Literal["uniform", "popularity"]

#: How often an item is drawn again that the user has interacted with.
TRIES = 20


@dataclass(frozen=True)
class Interactions:
    """An index of who has interacted with which item since when, read by binary search.

    Attributes:
        pairs: the observed pairs of user and item as ``user * items + item``, sorted, int64 [pairs].
        since: the time of each pair's first interaction, int64 [pairs].
        user: the user of every interaction, by time, int [rows].
        item: its item, int [rows].
        time: its time, non-decreasing, int64 [rows].
        items: the number of items; ids are numbered by first appearance.
        appeared: the position of the interaction in which item 0, 1, … first appears, int64 [items that occur].
        begin: the number of interactions before the first row of the stream.
    """

    pairs: Tensor
    since: Tensor
    user: Tensor
    item: Tensor
    time: Tensor
    items: int
    appeared: Tensor
    begin: int = 0

    @classmethod
    def of(cls, user: Tensor, item: Tensor, time: Tensor, items: int, begin: int = 0) -> Interactions:
        """Index interactions that are sorted by time: users, items (int [rows]) and times (int64 [rows])."""
        pairs, order = torch.sort(user.long() * items + item, stable=True)
        first = torch.ones_like(pairs, dtype=torch.bool)
        first[1:] = pairs[1:] != pairs[:-1]
        # Ids are numbered by first appearance, so the largest id so far tells how many items have appeared.
        there = item.long().cummax(0).values + 1 if len(item) else item.long()
        counts = torch.arange(1, int(there[-1]) + 1 if len(there) else 1, device=item.device)
        appeared = torch.searchsorted(there, counts)
        return cls(pairs[first], time[order[first]], user, item, time, items, appeared, begin)

    def seen(self, rows: Tensor) -> Tensor:
        """The number of items that have appeared up to and including each of the interactions ``rows``, int64 [n]."""
        return torch.searchsorted(self.appeared, rows, right=True)

    def met(self, user: Tensor, item: Tensor, time: Tensor) -> Tensor:
        """Whether each user has interacted with each item up to and including each time, bool [n]."""
        pair = user * self.items + item
        # Beyond the last pair there is no place to look at; the last one is then another pair, as it should be.
        place = torch.searchsorted(self.pairs, pair).clamp_(max=len(self.pairs) - 1)
        return (self.pairs[place] == pair) & (self.since[place] <= time)

    def draw(self, user: Tensor, time: Tensor, candidates: Tensor, rule: Rule, chance: Chance) -> Tensor:
        """Draw a negative for each user at each time.

        Args:
            user: int64 [n].
            time: int64 [n].
            candidates: for each user, items with an id below this number can be drawn, int64 [n].
            rule: how items are drawn.
            chance: the source of random numbers, on the device of the tensors.

        Returns:
            Items, int64 [n]; -1 where the user has interacted with every candidate.
        """
        open_ = torch.arange(len(user), device=user.device)
        item = torch.empty_like(user)
        for attempt in range(TRIES):
            luck = chance(open_, attempt)
            item[open_] = self._propose(time[open_], candidates[open_], rule, luck)
            open_ = open_[self.met(user[open_], item[open_], time[open_])]
            if not len(open_):
                return item
        item[open_] = self._unmet(user[open_], time[open_], candidates[open_], chance(open_, TRIES))
        return item

    def _propose(self, time: Tensor, candidates: Tensor, rule: Rule, chance: Tensor) -> Tensor:
        """Propose the candidate, or the item of the earlier interaction, at the fraction ``chance`` (0 to 1) of all."""
        anything = (chance * candidates).long()
        if rule == "uniform":
            return anything
        before = torch.searchsorted(self.time, time)  # the number of earlier interactions
        popular = self.item[(chance * before).long()].long()
        return torch.where((before > 0) & (popular < candidates), popular, anything)

    def _unmet(self, user: Tensor, time: Tensor, candidates: Tensor, chance: Tensor) -> Tensor:
        """The unmet candidate of a user at the fraction ``chance`` (0 to 1) of all unmet ones; -1 if there is none."""
        begin = torch.searchsorted(self.pairs, user * self.items)
        end = torch.searchsorted(self.pairs, user * self.items + candidates)
        row = torch.repeat_interleave(torch.arange(len(user), device=user.device), end - begin)
        # The pairs of a user are neighbours: count from 0 within each user's candidates that were ever met.
        within = torch.arange(len(row), device=user.device) - torch.repeat_interleave(
            (end - begin).cumsum(0) - (end - begin), end - begin
        )
        place = begin[row] + within
        known = self.since[place] <= time[row]
        row, item = row[known], self.pairs[place[known]] - user[row[known]] * self.items  # per row, by id
        count = torch.bincount(row, minlength=len(user))
        rank = torch.arange(len(row), device=user.device) - (count.cumsum(0) - count)[row]
        unmet = candidates - count
        wanted = (chance * unmet).long()
        # Add to `wanted` the number of met candidates that come before the unmet candidate number `wanted`.
        skipped = torch.zeros_like(user).index_add_(0, row, (item - rank <= wanted[row]).long())
        return torch.where(unmet > 0, wanted + skipped, -1)
