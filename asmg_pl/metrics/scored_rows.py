"""The rows of a period with the scores of several models, kept once, and all metrics computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from asmg_pl.data.batch import Batch
from asmg_pl.metrics.probability import calibration, entropy, mean, row_losses
from asmg_pl.metrics.ranking import Groups, Ranking


class Summary(NamedTuple):
    """The counts and scores of a period.

    Attributes:
        counts: the numbers of ``rows``, of ``positives``, and of rows of new users and new items, ``new_user_rows`` and
            ``new_item_rows``.
        scores: for each model, its metrics by name.
        diverged: for each model with a score that is NaN or infinite, the number of such rows.
        constant: the models that give all rows, two or more, the same score.
    """

    counts: dict[str, int]
    scores: dict[str, dict[str, float]]
    diverged: dict[str, int]
    constant: list[str]


class Gathered(NamedTuple):
    """The rows of a period, of all processes.

    Attributes:
        label: 1 for a positive row and 0 for a negative one [N].
        user: user ids, int64 [N].
        item: item ids, int64 [N].
        logits: of each model, float [N].
        known: how many users and how many items appeared before the period.
        weight: what each row counts, float [N]; ``None`` if each counts 1.
    """

    label: Tensor
    user: Tensor
    item: Tensor
    logits: dict[str, Tensor]
    known: tuple[int, int]
    weight: Tensor | None = None


class ScoredRows(Metric):
    """Collects the rows of a period, over mini-batches and processes, and computes all metrics from all rows.

    Labels, users and items are stored once for all models, logits once for all metrics; all of it stays on the device
    where the batches are.

    Each of several processes must call :meth:`update` at least once, if need be with a batch without rows. A process
    that has stored nothing does not know the types of the columns that the others send.

    Attributes:
        models: the models' names.
        known: users and items from these ids on are new in the period.
        gathered: the rows of all processes, once scores have been computed of them.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=100).read(None)
        >>> batch = log.batch(torch.arange(50, 100), history_size=0)

        >>> scored = ScoredRows(["serving"], known=log.known(50))
        >>> scored.update({"serving": torch.zeros(50)}, batch)
        >>> counts, scores, diverged, constant = scored.compute()
        >>> counts["rows"], scores["serving"]["auc"], round(scores["serving"]["logloss"], 4), diverged, constant
        (50, 0.5, 0.6931, {}, ['serving'])
    """

    is_differentiable = False
    full_state_update = False
    label: list[Tensor]
    user: list[Tensor]
    item: list[Tensor]
    logits: list[Tensor]
    weight: list[Tensor]

    def __init__(self, models: Sequence[str], known: tuple[int, int], weighted: bool = False, **kwargs: Any) -> None:
        """Start empty.

        Args:
            models: the models' names.
            known: how many users and how many items appeared before the period. Ids are numbered by first appearance,
                so these have the lowest ones.
            weighted: whether the rows have weights.
            kwargs: go to :class:`torchmetrics.Metric`.
        """
        super().__init__(**kwargs)
        self.models = list(models)
        self.known = known
        self.weighted = weighted
        self.gathered: Gathered | None = None
        for column in ("label", "user", "item", "logits", *(["weight"] if weighted else [])):
            self.add_state(column, [], dist_reduce_fx="cat")

    def update(self, logits: Mapping[str, Tensor], batch: Batch) -> None:
        """Add a mini-batch's rows, with each model's logits, float [B]."""
        self.label.append(batch.label)
        self.user.append(batch.user)
        self.item.append(batch.item)
        if self.weighted:
            assert batch.weight is not None
            self.weight.append(batch.weight)
        self.logits.append(torch.stack([logits[model] for model in self.models], dim=1))  # [B, models]

    def compute(self) -> Summary:
        """Compute counts and scores, as plain numbers.

        ``auc``, ``logloss``, ``gauc``, ``calibration`` and ``normalized_entropy`` are of all rows;
        ``auc_known_users`` is of the rows whose user has a row before the period, and ``auc_new_users`` of the other
        rows; ``…_items`` and ``logloss_…`` are named in the same way. A metric that is not defined is ``nan``.

        A model has *diverged* if the logit of even one row is NaN or infinite. Its rows then have no order and no
        loss, so that all its metrics are ``nan``, also those of groups without such a row. An infinite logit is a
        probability of 0 or 1, which no sound model has: all such rows would tie, and a wrong one has an infinite loss.

        A row counts its weight in all of these, and 1 in the counts.

        Models with the same logits have the same scores, which are computed once.
        """
        label, user, item = dim_zero_cat(self.label), dim_zero_cat(self.user), dim_zero_cat(self.item)  # [N]
        logits = dim_zero_cat(self.logits)  # [N, models]
        weight = dim_zero_cat(self.weight) if self.weighted else None  # [N]
        kinds = _Kinds.of(label, user, item, self.known, weight)
        counts = {
            "rows": len(label),
            "positives": int((label > 0).sum()),
            "new_user_rows": len(kinds.rows["new_users"]),
            "new_item_rows": len(kinds.rows["new_items"]),
        }
        broken = dict(zip(self.models, (~logits.isfinite()).sum(0).tolist(), strict=True))
        scores: dict[str, dict[str, float]] = {}
        columns = dict(zip(self.models, logits.T.contiguous(), strict=True))
        self.gathered = Gathered(label, user, item, columns, self.known, weight)
        for model, column in columns.items():
            same = next((other for other in scores if torch.equal(columns[other], column)), None)
            if same is not None:
                scores[model] = dict(scores[same])
            else:
                scores[model] = _scores(column if not broken[model] else column * torch.nan, label, kinds)
        constant = all_equal(logits.amax(0), logits.amin(0)) if len(label) > 1 else [False] * len(self.models)
        return Summary(
            counts,
            scores,
            {model: rows for model, rows in broken.items() if rows},
            [model for model, equal in zip(self.models, constant, strict=True) if equal],
        )


def all_equal(largest: Tensor, least: Tensor) -> list[bool]:
    """Whether logits are finite and all the same up to rounding.

    Args:
        largest: of each model, float [models].
        least: of each model, float [models].
    """
    size = torch.maximum(largest.abs(), least.abs()).clamp(min=1)
    return ((largest - least <= 1e-6 * size) & size.isfinite()).tolist()


class _Kinds(NamedTuple):
    """What the metrics of all models need to know of a period's rows.

    Attributes:
        users: the rows of each user.
        rows: the places of the rows of each kind, ``known_users``, ``new_users``, … ``new_items``, int64 [n] each.
        chosen: the same as a mask, bool [N] each.
        entropy: of the mean label, float64 scalar.
        weight: what each row counts, float [N]; ``None`` if each counts 1.
    """

    users: Groups
    rows: dict[str, Tensor]
    chosen: dict[str, Tensor]
    entropy: Tensor
    weight: Tensor | None

    @classmethod
    def of(cls, label: Tensor, user: Tensor, item: Tensor, known: tuple[int, int], weight: Tensor | None) -> _Kinds:
        """Look at the rows once."""
        chosen: dict[str, Tensor] = {}
        for kind, ids, count in zip(("users", "items"), (user, item), known, strict=True):
            chosen |= {f"known_{kind}": ids < count, f"new_{kind}": ids >= count}
        rows = {kind: which.nonzero().squeeze(1) for kind, which in chosen.items()}
        return cls(Groups.by(user), rows, chosen, entropy(label, weight), weight)


def _scores(logits: Tensor, label: Tensor, kinds: _Kinds) -> dict[str, float]:
    """The metrics of one model, whose logits [N] are all finite or all NaN."""
    weight = kinds.weight
    ranking, losses = Ranking(logits, label, weight), row_losses(logits, label)
    loss = mean(losses, weight)
    scores = {
        "auc": ranking.auc(),
        "logloss": loss,
        "gauc": ranking.gauc(kinds.users),
        "calibration": calibration(logits, label, weight),
        "normalized_entropy": torch.where(kinds.entropy > 0, loss / kinds.entropy, torch.nan),
    }
    for kind in ("users", "items"):
        names = f"known_{kind}", f"new_{kind}"
        scores |= {f"auc_{name}": ranking.auc(kinds.chosen[name]) for name in names}
        for name in names:
            rows = kinds.rows[name]
            scores[f"logloss_{name}"] = mean(losses.index_select(0, rows), None if weight is None else weight[rows])
    return dict(zip(scores, torch.stack(list(scores.values())).tolist(), strict=True))
