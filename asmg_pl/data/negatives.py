"""Sampled negatives, for streams in which every row is an action of a user.

A negative follows its positive. It has the same user and time, but an item that this user has not interacted with up to
and including that time. Candidates are the items of the rows up to the positive, so that no item appears first as a
negative. A negative is drawn

- ``uniform``: from all candidates with equal chance; or by
- ``popularity``: as the item of a random earlier interaction, so that an item's chance is its share of these.

If the user has interacted with the item, it is drawn again, up to ``interactions.TRIES`` times, and then drawn
uniformly from the candidates that the user has not interacted with. A user who has interacted with every candidate gets
no negative.

:func:`add_negatives` draws once, as ``asmg convert`` does, and makes rows like all others. :class:`Fresh` draws anew in
each pass, on the device that trains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from asmg_pl.data.batch import Batch
from asmg_pl.data.interactions import Interactions
from asmg_pl.data.interactions import Rule as Rule
from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import ConfigError
from asmg_pl.randomness.chance import by_number, in_sequence
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

Candidates = Literal["seen", "whole_stream"]


class Fresh:
    """Draws negatives anew in each training pass, for a stream of positives (``data.negatives`` in a configuration).

    Each pass draws other negatives, which depend only on the seed, the phase and its number; a resumed walk therefore
    draws the same ones. Scoring draws once per period: all methods and epochs are scored on the same rows. The
    candidates of a row are the items that have appeared up to it, and popularity counts earlier rows only, so no later
    row influences a negative.

    Examples:
        >>> rows = pl.DataFrame({"user": [0, 1, 0, 1], "item": [0, 1, 2, 3], "label": [1] * 4, "time": range(4)})
        >>> log = InteractionLog.from_frame(rows)
        >>> fresh, cpu = Fresh(per_positive=2), torch.device("cpu")
        >>> fresh.draw(fresh.index(log, cpu), torch.tensor([0, 1]), torch.Generator(cpu).manual_seed(0))
        tensor([[-1, -1],
                [ 0,  0]])
    """

    def __init__(self, per_positive: int = 1, rule: Rule = "uniform") -> None:
        """Choose the number of negatives and the rule by which they are drawn.

        Args:
            per_positive: negatives per row; they come on top of the ``batch_size`` rows of a mini-batch.
            rule: ``uniform``, or ``popularity`` for an item's share of the earlier rows.

        Raises:
            ConfigError: if ``per_positive`` is below 1.
        """
        if per_positive < 1:
            raise ConfigError(f"data.negatives.per_positive must be at least 1, got {per_positive}")
        self.per_positive = per_positive
        self.rule: Rule = rule

    def index(self, log: InteractionLog, device: torch.device) -> Interactions:
        """Index the stream on the device that draws: 16 bytes per pair and per row, and 8 per item.

        Raises:
            ConfigError: if the stream has rows with label 0, or features of items.
        """
        features = (*log.sizes.context_features, *log.sizes.numbers, *log.sizes.lists)
        if of_items := [feature.name for feature in features if feature.side == "item"]:
            raise ConfigError(
                f"data.negatives draws items whose {of_items[0]} at the time of the row is not in the stream: draw the "
                "negatives in asmg convert (--negatives), which finds it, or leave features of items out"
            )
        if not bool(log.label.all()):
            raise ConfigError(
                "data.negatives is for streams of positives; this one has rows with label 0: leave it out"
            )
        logs = [log] if log.before is None else [log.before, log]
        user, item, time = (
            torch.cat([column.to(device) for column in columns])
            for columns in zip(*((one.user, one.item, one.time) for one in logs), strict=True)
        )
        return Interactions.of(user, item, time, log.sizes.items, len(user) - len(log))

    def draw(self, interactions: Interactions, rows: Tensor, random: torch.Generator) -> Tensor:
        """Draw negatives for rows.

        Args:
            interactions: the index of the stream.
            rows: positions in the stream, int64 [n].
            random: the source of random numbers, on the same device.

        Returns:
            Items, int64 [n, per_positive]; -1 for none.
        """
        rows = interactions.begin + rows.repeat_interleave(self.per_positive)
        user, time = interactions.user[rows].long(), interactions.time[rows]
        drawn = interactions.draw(user, time, interactions.seen(rows), self.rule, in_sequence(random))
        return drawn.view(-1, self.per_positive)


def beside(batch: Batch, drawn: Tensor) -> Batch:
    """A batch of positives with their negatives, each right after its positive.

    Args:
        batch: ``B`` rows.
        drawn: items, int64 [B, N]; -1 stands for no negative.

    Returns:
        At most ``B * (1 + N)`` rows. A negative has label 0, and the user, history, weight and features of its
        positive. Its further labels are 0 too, where its positive has them.
    """
    item = torch.cat([batch.item[:, None], drawn], dim=1)  # [B, 1 + N]
    label = torch.cat([batch.label[:, None], torch.zeros_like(drawn, dtype=batch.label.dtype)], dim=1)
    row, column = (item >= 0).nonzero(as_tuple=True)
    return batch._replace(
        user=batch.user[row],
        item=item[row, column],
        history=batch.history[row],
        history_length=batch.history_length[row],
        label=label[row, column],
        context=None if batch.context is None else batch.context[row],
        numbers=None if batch.numbers is None else batch.numbers[row],
        lists=None if batch.lists is None else batch.lists[row],
        weight=None if batch.weight is None else batch.weight[row],
        labels=None if batch.labels is None else batch.labels[row] * (column == 0)[:, None],  # NaN stays NaN
    )


def add_negatives(
    rows: pl.DataFrame,
    per_positive: int,
    rule: Rule,
    seed: int,
    past: pl.DataFrame | None = None,
    candidates: Candidates = "seen",
) -> pl.DataFrame:
    """Draw negatives once, reproducibly; each follows its positive.

    The negatives of a row are independent draws; with few candidates, two may be equal. They depend on the seed and on
    the earlier interactions only. So drawing for some moments, and then for later moments with the first as ``past``,
    gives the same negatives as drawing for all at once.

    Args:
        rows: interactions, with columns ``user`` and ``item`` (integers or strings), ``label`` and ``time`` (integer).
            A negative copies all other columns from its positive. Rows with label 0 count as interactions and get no
            negatives.
        per_positive: the number of negatives of each row with label 1.
        rule: how items are drawn; popularity counts the interactions before the row's time.
        seed: the seed of all draws.
        past: earlier interactions (columns ``user``, ``item``, ``time``; equal times in their order). Their items are
            candidates too, but not for users who interacted with them.
        candidates: ``seen`` for the items of the rows up to the positive; ``whole_stream`` for the items of ``rows``
            and ``past``, as in published preprocessing. With ``whole_stream``, a negative may be an item that is
            launched later. This leaks information of the future, and no item is new in its first positive row.

    Returns:
        The rows by time, in their given order where times are equal, with the negatives; label UInt8.
    """
    rows = rows.sort("time", maintain_order=True).with_columns(pl.col("label").cast(pl.UInt8))
    columns = ["user", "item", "time"]
    known = rows.select(columns)
    if past is not None:
        known = pl.concat([past.sort("time", maintain_order=True).select(columns), known], how="vertical_relaxed")
    user, _ = _numbered(known["user"])
    item, names = _numbered(known["item"])
    time = torch.from_numpy(known["time"].to_numpy().copy())
    interactions = Interactions.of(user, item, time, len(names))
    begin = len(known) - len(rows)

    positive = torch.from_numpy(np.flatnonzero(rows["label"].to_numpy() == 1)).repeat_interleave(per_positive)
    there = interactions.seen(begin + positive)
    there = there if candidates == "seen" else torch.full_like(there, len(names))
    draw_number = (begin + positive) * per_positive + torch.arange(len(positive)) % per_positive
    chance = by_number(seed, draw_number)
    drawn = interactions.draw(user[begin:][positive], time[begin:][positive], there, rule, chance)
    positive, drawn = positive[drawn >= 0], drawn[drawn >= 0]

    source = torch.arange(len(rows)).repeat_interleave(1 + torch.bincount(positive, minlength=len(rows)))
    negative = torch.zeros(len(source), dtype=torch.bool)
    negative[1:] = source[1:] == source[:-1]
    chosen = item[begin:][source]
    chosen[negative] = drawn
    return rows[source.numpy()].with_columns(
        item=names.gather(chosen.numpy()),
        label=pl.when(pl.Series(negative.numpy())).then(pl.lit(0, pl.UInt8)).otherwise(pl.col("label")),
    )


def _numbered(names: pl.Series) -> tuple[Tensor, pl.Series]:
    """Dense ids, int64 [rows], and the names by id."""
    known = names.unique(maintain_order=True)
    ids = names.replace_strict(known, pl.int_range(len(known), eager=True), return_dtype=pl.Int64)
    return torch.from_numpy(ids.to_numpy().copy()), known
