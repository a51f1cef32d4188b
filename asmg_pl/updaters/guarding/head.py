"""The prequential head: what a period's scores, taken before training, teach about the scores of the next one.

    logits of the models ─┐
    counts of user, item ─┴─▶ features ─▶ ridge logistic regression ─▶ logit that serves

    D_t arrives ─▶ scored with the head as it is
                ─▶ its rows join those of the periods before, weight .8^age; the head is fitted anew; ids are counted

The rows are prequential: no model had been trained on a row when it scored the row. So the head learns how far the
scores of *new* rows can be trusted. It contains Platt scaling (one model's logit and a bias) and stacking (several).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.metrics.scored_rows import Gathered
from asmg_pl.serving.head_features import LOGIT, WIDTH, features_of, within
from asmg_pl.serving.headed import HeadNumbers
from asmg_pl.updaters.guarding.id_counts import IdCounts
from asmg_pl.updaters.guarding.kept_rows import KeptRows, Moments
from asmg_pl.updaters.guarding.logistic import ridge_logistic

#: The names of the models that a head reads, in the order of their logits.
READ = ("incremental", "generated")

#: Periods with rows that the first fit waits for: what differs between two periods may be chance.
FEWEST = 3

Scored = TypeVar("Scored")


@dataclass(frozen=True)
class PrequentialHead:
    """The settings of a head.

    Attributes:
        decay: what a period's rows count, relative to those of the period after it.
        periods: the newest periods whose rows are learned from.
        rows: the most rows that are kept of a period, drawn at random.
        ridge: how strongly the head is drawn to the incremental model's own logit, in rows.

    Examples:
        >>> PrequentialHead(periods=4)
        PrequentialHead(decay=0.8, periods=4, rows=4096, ridge=10.0)
    """

    decay: float = 0.8
    periods: int = 8
    rows: int = 4096
    ridge: float = 10.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: naming the option.
        """
        if not 0 < self.decay <= 1:
            raise ConfigError(f"model.head.decay must be above 0 and at most 1, got {self.decay}")
        for name in ("periods", "rows"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.head.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.ridge < float("inf"):
            raise ConfigError(f"model.head.ridge must be positive, got {self.ridge}")


class Head(nn.Module):
    """A head on its walk. Its state is saved with the module; it grows with the ids of the stream alone.

    Attributes:
        settings: how it learns.
        period: the newest period that it has learned from; 0 for none.
        coefficients: of the features as they are, float64 [F]; empty before the first fit.
        bounds: the least and the largest value of each feature in the fit, float [2, F]. The head does not go beyond.
    """

    def __init__(self, settings: PrequentialHead) -> None:
        """Begin with nothing learned.

        Args:
            settings: how it learns.
        """
        super().__init__()
        self.settings = settings
        self.period = 0
        self.users, self.items = IdCounts(), IdCounts()
        self.coefficients = torch.zeros(0, dtype=torch.float64)
        self.bounds = torch.zeros(2, 0)
        self._seen = torch.zeros(2)  # rows and clicks, decayed
        self._kept: list[KeptRows] = []

    @property
    def share(self) -> float:
        """The mean click rate, away from 0 and 1."""
        rows, clicks = self._seen.tolist()
        return min(max((clicks + 1) / (rows + 2), 1e-3), 1 - 1e-3)

    @property
    def numbers(self) -> HeadNumbers:
        """All that its answers depend on, as they are now."""
        tables = self.users.table, self.items.table
        return HeadNumbers(*tables, self.coefficients, self.bounds, self.share, self.period + 1)

    def beside(self, logits: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The logits [B] of the models under the names that the head reads, and its own as ``"serving"``.

        Args:
            logits: of the models that are scored without a head.
            batch: the mini-batch.
        """
        read = read_by_head(logits)
        return read | {"serving": self(read, batch)}

    def forward(self, logits: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Logits [B] of a mini-batch.

        Args:
            logits: of the models that it reads. Before the first fit, those of the first model are the head's.
            batch: the mini-batch.
        """
        if not len(self.coefficients):
            return next(iter(logits.values()))
        features = self._features([*logits.values()], batch.user, batch.item)
        return within(features, self.bounds.to(features.device)) @ self.coefficients.to(features.device, features.dtype)

    def _features(self, logits: Sequence[Tensor], user: Tensor, item: Tensor) -> Tensor:
        users, items = self.users.table.to(user.device), self.items.table.to(user.device)
        return features_of(logits, user, item, users, items, self.period + 1, self.share)

    @torch.no_grad()
    def learn(self, period: int, rows: Gathered) -> None:
        """Learn from the scored rows of a period, of all processes; then count its ids. A row counts its weight.

        Args:
            period: its number.
            rows: with the logits that its models gave them.
        """
        if not self.period:
            self.period = period - 1
            for counts, known in zip((self.users, self.items), rows.known, strict=True):
                counts.add(period - 1, rows.user[:0], rows.label[:0], known)
        heavy = torch.arange(len(rows.label)) if rows.weight is None else (rows.weight > 0).nonzero().squeeze(1)
        count = len(heavy)
        if count:
            # Even steps would fall in with rows that take turns, as clicks and their negatives do.
            draw = torch.Generator().manual_seed(period)
            chosen = heavy[torch.randperm(count, generator=draw)[: self.settings.rows]].to(rows.label.device)
            logits = [rows.logits[name][chosen] for name in READ if name in rows.logits]
            features = self._features(logits, rows.user[chosen], rows.item[chosen])
            share = count / len(chosen)
            weight = share if rows.weight is None else rows.weight[chosen].double() * share
            self._kept.append(KeptRows(features, rows.label[chosen], weight))
            self._kept = self._kept[-self.settings.periods :]
        self.users.add(period, rows.user, rows.label, rows.known[0], rows.weight)
        self.items.add(period, rows.item, rows.label, rows.known[1], rows.weight)
        weights = torch.ones_like(rows.label) if rows.weight is None else rows.weight
        seen = torch.stack([weights.double().sum(), weights.double() @ (rows.label > 0).double()])
        self._seen = self.settings.decay * self._seen + seen.cpu().float()
        self.period = period
        if count and len(self._kept) >= min(FEWEST, self.settings.periods):
            self._fit()

    def _fit(self) -> None:
        kept = self._kept
        counts = self.settings.decay ** torch.arange(len(kept) - 1, -1, -1, dtype=torch.float64).to(
            kept[0].label.device
        )
        lowest, highest = torch.stack([each.bounds for each in kept], dim=1)
        self.bounds = torch.stack([lowest.amin(dim=0), highest.amax(dim=0)])
        moments = Moments.together([each.moments for each in kept], counts)
        mean, scale = moments.mean, moments.deviation
        scale = torch.where(scale > 1e-6, scale, 1.0)  # a feature that never varies gets no weight
        mean[: LOGIT + 1], scale[: LOGIT + 1] = 0.0, 1.0
        # What is drawn to the centre are the coefficients of features of mean 0 and deviation 1.
        basis = torch.diag(1 / scale)
        basis[0] -= mean / scale
        centre = torch.zeros_like(mean)
        centre[LOGIT] = 1.0
        start = None
        if len(self.coefficients):
            start = torch.linalg.solve(basis, self.coefficients.to(mean.device))
        parts = [each.counting(count) for each, count in zip(kept, counts.tolist(), strict=True)]
        found = ridge_logistic(parts, centre, self.settings.ridge, start, basis)
        self.coefficients = basis @ found

    def get_extra_state(self) -> dict[str, Any]:
        """What has been learned, for ``state_dict``."""
        return {
            **{"period": self.period, "users": self.users.table, "items": self.items.table},
            **{"coefficients": self.coefficients, "bounds": self.bounds, "seen": self._seen},
            "kept": [each.state for each in self._kept],
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take it back.

        Raises:
            CheckpointError: if it is not what a head of these models has learned.
        """
        try:
            tables = [state[name].to(torch.float32).view(-1, WIDTH) for name in ("users", "items")]
            kept = [KeptRows.from_state(*each) for each in state["kept"]]
            widths = {each.features.shape[1] for each in kept} | {len(state["coefficients"])} - {0}
            if not widths <= {2 + 2 * WIDTH} and not widths <= {3 + 2 * WIDTH}:
                raise ValueError(f"it reads {sorted(widths)} numbers of a row")
            self.period, self._kept, self._seen = int(state["period"]), kept, state["seen"].float().view(2)
            self.coefficients = state["coefficients"].double()
            self.bounds = state["bounds"].float().view(2, len(self.coefficients))
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"the head in the checkpoint cannot be used: {error}: give an earlier one") from error
        self.users.table, self.items.table = tables


def read_by_head(scored: Mapping[str, Scored]) -> dict[str, Scored]:
    """The models that a head reads, or their logits, under the names that they have beside it.

    What would serve without the head is the incremental model, unless that is scored beside it.

    Args:
        scored: models, or their logits, by the names that they have without a head.
    """
    if "incremental" not in scored:
        return {"incremental": scored["serving"]}
    return {"incremental": scored["incremental"], "generated": scored["serving"]}
