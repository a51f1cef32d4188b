"""A model, and the metrics of its lists case by case, for tests of lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor, nn

from asmg_pl.data import Batch, InteractionLog, Sizes
from asmg_pl.metrics import TopK
from asmg_pl.recommenders import (
    Lookup,
    Recommender,
)


class Sum(Recommender):
    """A model without sides."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 3), "item": nn.Embedding(sizes.items, 3)})

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        return (lookups["user"].vectors() * lookups["item"].vectors()).sum(1)


def seen_before(log: InteractionLog, row: int) -> set[int]:
    """The items of the positive rows of a row's user, at an earlier time."""
    earlier = (log.time < log.time[row]) & (log.user == log.user[row]) & (log.label > 0)
    return set(log.item[earlier].tolist())


def brute(
    log: InteractionLog, rows: range, scores: Callable[[int, list[int]], np.ndarray], top_k: TopK, known: int
) -> dict[str, float]:
    """The metrics of a period over all candidates, case by case; no two scores are equal."""
    places: list[tuple[int, float]] = []
    lists: list[list[int]] = []
    for row in rows:
        if not int(log.label[row]):
            continue
        item, barred = int(log.item[row]), seen_before(log, row) if top_k.exclude_seen else set()
        limit = known
        if top_k.appeared:
            limit = max([known, *(log.item[: len(log.time)][log.time < log.time[row]] + 1).tolist()])
        if item in barred:
            continue
        candidates = [i for i in range(limit) if i not in barred]
        found = scores(row, candidates)
        order = [candidates[place] for place in np.argsort(-found, kind="stable")]
        lists.append(order)
        places.append((int(log.user[row]), order.index(item) + 1 if item in order else math.inf))
    result: dict[str, float] = {}
    for k in top_k.at:
        hits = [(user, float(place <= k), place) for user, place in places]
        by_user: dict[int, list[float]] = {}
        for user, hit, _ in hits:
            by_user.setdefault(user, []).append(hit)
        result[f"hr_at_{k}"] = float(np.mean([hit for _, hit, _ in hits]))
        result[f"recall_at_{k}"] = float(np.mean([np.mean(each) for each in by_user.values()]))
        result[f"ndcg_at_{k}"] = float(np.mean([hit / math.log2(1 + place) if hit else 0 for _, hit, place in hits]))
        result[f"mrr_at_{k}"] = float(np.mean([hit / place if hit else 0 for _, hit, place in hits]))
        shown = {item for order in lists for item in order[:k]}
        result[f"coverage_at_{k}"] = len(shown) / limit if top_k.appeared else len(shown) / known
    return result
