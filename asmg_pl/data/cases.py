"""The cases of a period: positive rows whose items are looked for among the items known by then.

rows of the period     + - + + - +      positive rows, or a draw of them by seed and row
candidates             ids below a number: ids are numbered by first appearance
excluded               what a user's histories have had before the row's time
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from asmg_pl.data.histories import spans
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.so_far import SoFar
from asmg_pl.randomness.keyed import fraction

Pairs = tuple[np.ndarray, np.ndarray]


class Cases(NamedTuple):
    """Positive rows of a period.

    Attributes:
        rows: their positions in the stream, ascending, int64 [n].
        user: int64 [n].
        item: int64 [n].
        candidates: items with an id below this number are candidates of the case, int64 [n].
        excluded: places of cases, ascending, and items that are no candidates of these cases, int64 [pairs] each.
        drawn: how many positive rows were drawn, of which the cases are those that are not left out.
        weight: what each case counts, float32 [n]; ``None`` if each counts 1.
    """

    rows: Tensor
    user: Tensor
    item: Tensor
    candidates: Tensor
    excluded: tuple[Tensor, Tensor]
    drawn: int
    weight: Tensor | None = None

    @property
    def missed(self) -> Tensor:
        """Whether the item of a case is no candidate, bool [n]."""
        return self.item >= self.candidates


def cases_of(
    log: InteractionLog, rows: range, so_far: SoFar, most: int | None, seed: int, exclude_seen: bool, appeared: bool
) -> Cases:
    """The cases of a period. A row of weight 0 is none.

    Args:
        log: the stream.
        rows: the positions of the period's rows.
        so_far: facts of the rows before the period.
        most: the most positive rows that are drawn; ``None`` for all.
        seed: of the draw.
        exclude_seen: whether the items of a user's earlier histories are excluded.
        appeared: whether items that appear within the period, earlier than a case, are its candidates too.

    Examples:
        >>> import polars as pl
        >>> columns = {"user": [5, 6, 5, 6, 6], "item": [1, 2, 2, 1, 3], "label": [1] * 5, "time": range(5)}
        >>> log = InteractionLog.from_frame(pl.DataFrame(columns))
        >>> so_far = SoFar(log, history_size=1)
        >>> so_far.read(2)
        >>> cases = cases_of(log, range(2, 5), so_far, None, seed=0, exclude_seen=True, appeared=False)
        >>> cases.user.tolist(), cases.item.tolist(), cases.candidates.tolist(), cases.missed.tolist()
        ([0, 1, 1], [1, 0, 2], [2, 2, 2], [False, False, True])
        >>> [places.tolist() for places in cases.excluded]  # the last case's user has had both items
        [[0, 1, 2, 2], [0, 1, 0, 1]]
    """
    period = log.between(rows.start, rows.stop)
    weight = None if period.parts[0].weight is None else period.whole("weight")
    counts = period.label > 0 if weight is None else (period.label > 0) & (weight > 0)
    positive = torch.nonzero(counts).flatten()
    if most is not None and len(positive) > most:
        chance = fraction(rows.start + positive, seed, "ranked rows")
        positive = positive[chance.argsort(stable=True)[:most]].sort().values
    known = log.known(rows.start)[1]
    candidates = torch.full_like(positive, known)
    earlier = _rows_earlier(log, rows, positive)
    if appeared and len(positive):
        largest = torch.cat([torch.tensor([known]), (period.item.long().cummax(0).values + 1).clamp(min=known)])
        candidates = largest[earlier]
    user, item = period.user.long()[positive], period.item.long()[positive]
    own = None if weight is None else weight[positive]
    found = Cases(rows.start + positive, user, item, candidates, (user[:0], user[:0]), len(positive), own)
    if not exclude_seen or not len(positive):
        return found
    enters = period.label > 0 if log.history == "positive" else torch.ones_like(period.label, dtype=torch.bool)
    before = _before_the_period(user.numpy(), so_far)
    within = _within_the_period(user.numpy(), earlier.numpy(), period, enters.numpy())
    place, seen = (np.concatenate(columns).astype(np.int64) for columns in zip(before, within, strict=True))
    pairs = np.unique(place << 32 | seen)
    place, seen = pairs >> 32, pairs & 0xFFFFFFFF
    repeated = np.zeros(len(positive), bool)
    repeated[place[seen == item.numpy()[place]]] = True
    return _without(found._replace(excluded=(torch.from_numpy(place), torch.from_numpy(seen))), repeated)


def _rows_earlier(log: InteractionLog, rows: range, positive: Tensor) -> Tensor:
    """How many of the period's rows are earlier than each of these rows, int64 [n]; not those of the same time."""
    time = log.between(rows.start, rows.stop).time
    return torch.searchsorted(time.contiguous(), time[positive].contiguous())


def _before_the_period(user: np.ndarray, so_far: SoFar) -> Pairs:
    """The places of the cases, and the items that their users had before the period."""
    items, offsets = so_far.seen(int(user.max()) + 1)
    begin, count = offsets[user], offsets[user + 1] - offsets[user]
    return np.repeat(np.arange(len(user)), count), items[spans(begin, count)]


def _within_the_period(user: np.ndarray, earlier: np.ndarray, period: InteractionLog, enters: np.ndarray) -> Pairs:
    """The places of the cases, and the items that their users had within the period, at an earlier time."""
    at = np.flatnonzero(enters)
    owner, item = period.user.numpy()[at], period.item.numpy()[at]
    order = np.argsort(owner, kind="stable")
    begin = np.searchsorted(owner[order], user)
    count = np.searchsorted(owner[order], user, side="right") - begin
    place, entry = np.repeat(np.arange(len(user)), count), order[spans(begin, count)]
    there = at[entry] < earlier[place]
    return place[there], item[entry[there]]


def _without(cases: Cases, left_out: np.ndarray) -> Cases:
    """Cases without some of them."""
    kept = torch.from_numpy(~left_out)
    place, item = cases.excluded
    stays = kept[place]
    there = (kept.cumsum(0) - 1)[place[stays]], item[stays]
    columns = (cases.rows[kept], cases.user[kept], cases.item[kept], cases.candidates[kept])
    return Cases(*columns, there, cases.drawn, None if cases.weight is None else cases.weight[kept])
