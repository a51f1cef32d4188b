"""The rank of the true item among all known items, and the shares of ranks that count."""

from __future__ import annotations

from torch import Tensor

from asmg_pl.errors import DivergedError

CUTS = (10, 20)


def ranks(scores: Tensor, items: Tensor) -> Tensor:
    """The rank of each row's item, 1 for the best, int64 [B]. An item with an equal score ranks before it.

    Args:
        scores: of all known items, float [B, I].
        items: the true ones, int64 [B].

    Raises:
        DivergedError: if a score is not finite, since it has no rank.

    Examples:
        >>> import torch
        >>> ranks(torch.tensor([[0.1, 0.3, 0.2], [0.5, 0.5, 0.5]]), torch.tensor([2, 0])).tolist()
        [2, 3]
    """
    if not bool(scores.isfinite().all()):
        raise DivergedError("a score of the model is not finite: what finished periods have left is sound")
    return (scores >= scores.gather(1, items[:, None])).sum(1)


def figures(found: Tensor) -> dict[str, float]:
    """Recall and mean reciprocal rank, 0 beyond the cut, at 10 and 20.

    Args:
        found: the rank of each example's item, int64 [E], at least one.

    Examples:
        >>> import torch
        >>> figures(torch.tensor([1, 4, 11, 30]))["recall_20"]
        0.75
    """
    of_recall = {f"recall_{cut}": float((found <= cut).double().mean()) for cut in CUTS}
    of_rank = {f"mrr_{cut}": float(((found <= cut) / found.double()).mean()) for cut in CUTS}
    return of_recall | of_rank
