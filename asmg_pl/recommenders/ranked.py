"""Rows ranked among candidates: one logit for the row's item, and one for each candidate.

row's user, history, context ─▶ user's vector [B, D] ─┬─ · item's vector [B, D] ───────▶ logit [B, 1] ──┐
                                                      └─ · candidates' vectors [C, D] ─▶ logits [B, C] ─┴▶ [B, 1+C]

The ids of rows and candidates are asked for together, so that each table is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders.dot_product import DotProduct
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.sides import TwoSided


class Ranking(Protocol):
    """What is read of a :class:`~asmg_pl.recommenders.Recommender`."""

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that the batch needs of each table."""

    def sides(self) -> TwoSided | None:
        """The model itself, or the one within it."""


def dot_product(model: Ranking) -> DotProduct | None:
    """The model itself, or the one within it, whose logit is a dot product; ``None`` if there is none."""
    inner: object = model.sides() or model
    return inner if isinstance(inner, DotProduct) else None


def asked_together(model: Ranking, batch: Batch) -> dict[str, Tensor]:
    """The ids of a mini-batch's rows, and after them those of its candidates, by table, int64 [n]."""
    rows, others = model.lookups(batch), model.lookups(candidates_of(batch))
    found = {name: [ids, others[name]] if name in others else [ids] for name, ids in rows.items()}
    return {name: torch.cat([part.flatten() for part in parts]) for name, parts in found.items()}


def ranked_logits(model: Ranking, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
    """Logits [B, 1+C]: of each row's item, and of all candidates for the row's user.

    Args:
        model: a recommender of dot products, or one around it.
        batch: a mini-batch with candidates.
        lookups: of the ids that :func:`asked_together` names.
    """
    within, others = dot_product(model), candidates_of(batch)
    assert within is not None, "objectives have looked"
    of_rows, of_others = {}, {}
    asked = model.lookups(others)
    for name, ids in model.lookups(batch).items():
        found = lookups[name]
        of_rows[name] = Lookup(found.weight, found.index[: ids.numel()].view_as(ids), found.known)
        if name in asked:
            of_others[name] = Lookup(found.weight, found.index[ids.numel() :].view_as(asked[name]), found.known)
    users, items = within.user_vectors(batch, of_rows), within.item_vectors(batch, of_rows)
    own = (users * items).sum(-1, keepdim=True)
    logits = torch.cat([own, users @ within.item_vectors(others, of_others).T], dim=1)
    return logits + within.offsets(batch, of_rows)[:, None]


def candidates_of(batch: Batch) -> Batch:
    """The candidates as rows of a mini-batch, with neither history nor context, and a user whose row is asked for."""
    assert batch.candidates is not None
    items = batch.candidates
    none = torch.zeros_like(items)
    user = batch.user[:1].expand_as(items) if batch.user.shape[0] else none
    return Batch(user, items, items.new_zeros(len(items), 0), none, none.float(), batch.categories)
