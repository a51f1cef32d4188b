"""The features of a head: what the logits of models and the counts of ids say of a row.

    logits of the models ─┐
    counts of user, item ─┴─▶ 1, first logit, the others' distance from it, six numbers of the user, six of the item

Counts of ids, decayed:

    id    rows   clicks   rows   clicks   first   last
          slow   slow     fast   fast                       six floats an id; an id that is not here is new
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: The larger size of a logit that the head reads.
CAP = 10.0

#: Where the first model's logit stands among the features; it follows the bias.
LOGIT = 1

#: Rows with the mean click rate that are added to those of an id before its rate is taken.
SMOOTHING = 5.0

#: The oldest age that counts, in periods. Of ids that are older, or that nobody has counted from their first row on, it
#: is their age.
OLDEST = 8

#: The numbers that are kept of an id, and as many features of it.
WIDTH = 6


def features_of(
    logits: Sequence[Tensor],
    user: Tensor,
    item: Tensor,
    users: Tensor,
    items: Tensor,
    period: int | Tensor,
    share: float | Tensor,
) -> Tensor:
    """The features of rows: 1, the first logit, how far each other one is from it, and what is known of both ids.

    Args:
        logits: of each model, float [B]. One that is not finite counts as the first model's.
        user: int64 [B].
        item: int64 [B].
        users: counts of users, float [users, 6].
        items: counts of items, float [items, 6].
        period: the period whose rows they are.
        share: the mean click rate.

    Returns:
        float [B, 1 + models + 12].
    """
    of_ids = *_columns(users, user, period, share), *_columns(items, item, period, share)
    return torch.stack([*_of_logits(logits), *of_ids], dim=1)


def of_logits(logits: Sequence[Tensor]) -> Tensor:
    """The first of the features: 1, the first logit, and how far each other one is from it, float [B, 1 + models]."""
    return torch.stack(_of_logits(logits), dim=1)


def within(features: Tensor, bounds: Tensor) -> Tensor:
    """Features [B, F] no less and no larger than in the fit, bounds [2, F]; the first model's logit stays as it is."""
    found = features.clamp(*bounds)
    found[:, LOGIT] = features[:, LOGIT]
    return found


def describe(table: Tensor, ids: Tensor, period: int | Tensor, share: float | Tensor) -> Tensor:
    """Numbers that tell of each id what has been seen of it, float [B, 6].

    They are the logarithms of the slow and of the fast count of rows, the click rate's log-odds over those of the mean
    rate, whether the id is new, its age, and how long it has not been seen, both as logarithms of periods, of at most
    :data:`OLDEST`.

    Args:
        table: the counts of ids, float [ids, 6].
        ids: int64 [B].
        period: the period whose rows are described.
        share: the mean click rate.
    """
    return torch.stack(_columns(table, ids, period, share), dim=1)


def _of_logits(logits: Sequence[Tensor]) -> list[Tensor]:
    """The columns of :func:`of_logits`, float [B] each."""
    first = logits[0].float().clamp(-CAP, CAP)
    others = [torch.where(each.isfinite(), each.float().clamp(-CAP, CAP) - first, 0.0) for each in logits[1:]]
    return [torch.ones_like(first), first, *others]


def _columns(table: Tensor, ids: Tensor, period: int | Tensor, share: float | Tensor) -> list[Tensor]:
    """The columns of :func:`describe`, float [B] each."""
    found = table.index_select(0, ids.clamp(max=len(table) - 1)) * (ids < len(table))[:, None]
    rows, clicks, fast, _, first, last = found.T.contiguous().unbind()  # logarithms of strided numbers take longer
    odds = torch.log((clicks + SMOOTHING * share) / (rows - clicks + SMOOTHING * (1 - share)))
    odds = odds - torch.log(torch.as_tensor(share / (1 - share), device=odds.device))
    new = first == 0
    age, unseen = (torch.where(new, 0.0, (period - since).clamp(1, OLDEST).log()) for since in (first, last))
    return [rows.log1p(), fast.log1p(), odds, new.float(), age, unseen]
