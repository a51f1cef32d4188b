"""The metrics' definitions in plain Python: pair by pair, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from asmg_pl.data import Batch

MODELS = ("incremental", "serving")
KNOWN = (30, 25)  # users and items that have appeared before, of the 40 that random_ids draws


def auc(logits: Sequence[float], labels: Sequence[float]) -> float:
    """The share of (positive, negative) pairs that are ranked rightly, ties counting one half."""
    rated = list(zip(logits, labels, strict=True))
    good, bad = [s for s, label in rated if label], [s for s, label in rated if not label]
    wins = sum((g > b) + (g == b) / 2 for g in good for b in bad)
    return wins / (len(good) * len(bad)) if good and bad else math.nan


def gauc(logits: Sequence[float], labels: Sequence[float], users: Sequence[int]) -> float:
    """The users' AUCs, weighted by their rows."""
    weighted, rows = 0.0, 0
    for user in set(users):
        own = [i for i, u in enumerate(users) if u == user]
        value = auc([logits[i] for i in own], [labels[i] for i in own])
        if not math.isnan(value):
            weighted, rows = weighted + len(own) * value, rows + len(own)
    return weighted / rows if rows else math.nan


def log_loss(logits: Sequence[float], labels: Sequence[float]) -> float:
    """The mean of -log p(label), without overflow."""
    losses = []
    for logit, label in zip(logits, labels, strict=True):
        margin = logit if label else -logit
        losses.append(max(-margin, 0.0) + math.log1p(math.exp(-abs(margin))))
    return math.fsum(losses) / len(losses) if losses else math.nan


def calibration(logits: Sequence[float], labels: Sequence[float]) -> float:
    """Expected positives over positives."""
    expected = math.fsum(1 / (1 + math.exp(-logit)) for logit in logits)
    return expected / sum(labels) if sum(labels) else math.nan


def normalized_entropy(logits: Sequence[float], labels: Sequence[float]) -> float:
    """LogLoss over the LogLoss of the mean label."""
    p = sum(labels) / len(labels)
    if p in (0, 1):
        return math.nan
    return log_loss(logits, labels) / -(p * math.log(p) + (1 - p) * math.log(1 - p))


def all_metrics(
    logits: Sequence[float],
    labels: Sequence[float],
    users: Sequence[int],
    items: Sequence[int],
    known: tuple[int, int],
) -> dict[str, float]:
    """Each metric of a period by its name."""
    scores = {
        "auc": auc(logits, labels),
        "logloss": log_loss(logits, labels),
        "gauc": gauc(logits, labels, users),
        "calibration": calibration(logits, labels),
        "normalized_entropy": normalized_entropy(logits, labels),
    }
    for kind, ids, first_new in [("users", users, known[0]), ("items", items, known[1])]:
        for name, chosen in [
            (f"known_{kind}", [i for i, n in enumerate(ids) if n < first_new]),
            (f"new_{kind}", [i for i, n in enumerate(ids) if n >= first_new]),
        ]:
            own = [logits[i] for i in chosen], [labels[i] for i in chosen]
            scores |= {f"auc_{name}": auc(*own), f"logloss_{name}": log_loss(*own)}
    return scores


def random_scores(seed: int, rows: int = 501, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Logits and labels that have something to do with each other; few ``levels`` make many ties."""
    draw = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, generator=draw)
    if levels:
        logits = (logits * levels).round() / levels
    labels = (torch.rand(rows, generator=draw) < logits.sigmoid()).float()
    return logits, labels


def random_ids(seed: int, rows: int = 501, count: int = 40) -> Tensor:
    """Ids of users or items, some of them frequent and some rare, int64."""
    return (count * torch.rand(rows, generator=torch.Generator().manual_seed(100 + seed)) ** 2).long()


def batch_of(user: Tensor, item: Tensor, label: Tensor) -> Batch:
    """Rows without histories."""
    return Batch(user, item, torch.zeros(len(user), 0).long(), torch.zeros(len(user)).long(), label)


def rows(seed: int, count: int = 501, levels: int | None = 2) -> tuple[dict[str, Tensor], Batch]:
    """Logits of two models, with ties, on rows of known and new users and items."""
    incremental, label = random_scores(seed, count, levels)
    serving, _ = random_scores(seed + 50, count, levels)
    batch = batch_of(random_ids(seed, count), random_ids(seed + 1, count), label)
    return {"incremental": incremental, "serving": serving}, batch


def weighted(batch: Batch) -> Batch:
    """The rows with weights of 0, .75, 1.5 and 2.25, by turns."""
    return batch._replace(weight=0.75 * (torch.arange(len(batch.label)) % 4))


def repeated(logits: dict[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], Batch]:
    """Each row of :func:`weighted` as often as its weight has .75, without weights."""
    assert batch.weight is not None
    chosen = torch.arange(len(batch.label)).repeat_interleave((batch.weight / 0.75).long())
    return {m: values[chosen] for m, values in logits.items()}, batch_of(
        batch.user[chosen], batch.item[chosen], batch.label[chosen]
    )


def part(logits: dict[str, Tensor], batch: Batch, begin: int, end: int) -> tuple[dict[str, Tensor], Batch]:
    """Some of the rows."""
    chosen = slice(begin, end)
    rows = batch_of(batch.user[chosen], batch.item[chosen], batch.label[chosen])
    weight = None if batch.weight is None else batch.weight[chosen]
    return {m: values[chosen] for m, values in logits.items()}, rows._replace(weight=weight)


def expected(logits: Tensor, batch: Batch) -> dict[str, float]:
    """Each metric of one model by its name."""
    return all_metrics(logits.tolist(), batch.label.tolist(), batch.user.tolist(), batch.item.tolist(), KNOWN)
