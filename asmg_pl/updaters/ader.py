"""ADER: the incremental update, held back by what the previous model says of exemplars of the past.

D_t arrives ─▶ score
            ─▶ herd     Θ_{t-1}, which becomes the teacher, chooses exemplars among D_{t-1} and those kept so far
            ─▶ update   each mini-batch of D_t beside one of exemplars:  CE(label) + λ_t · CE(the teacher's prediction)
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.distributed.processes import gathered
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import Lookup
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.herding import herd, quotas
from asmg_pl.updaters.losses import soft_cross_entropy
from asmg_pl.updaters.walking.phase import Phase


class ADER(Updater):
    """Replays a fixed number of exemplars with each new period, with Θ_{t-1}'s predictions as soft labels.

    The weight of their loss is λ_t = λ_base · √(|I_{t-1}| / |I_t| · |E_{t-1}| / |D_t|), where I_t are the items with a
    row up to period t, and E_{t-1} the exemplars. The more is new, the less the past holds the model back. Exemplars
    are chosen anew each period, first among all pre-training rows, later among the rows of the last period and the
    exemplars so far. Source: Mi, Lin and Faltings, "ADER: Adaptively Distilled Exemplar Replay Towards Continual
    Learning for Session-based Recommendation", RecSys 2020.

    ADER recommends the next item of a session: the classes that share the exemplars in proportion to their rows are
    items, and within each the sessions are herded by their last hidden vector h. Two things differ here, where a row is
    an item with a label, and a recommender any module:

    - A class is an item with a label, so that exemplars keep each item's mixture of labels.
    - A row's feature is the gradient of its loss by the vectors that it looks up, summed per table. If the logit is h ·
      v for the item's vector v, the gradient by v is (probability - label) · h: ADER's feature, weighted by how much
      the row teaches. Any recommender has this gradient. So herding chooses rows that together teach what their whole
      class teaches.

    Attributes:
        exemplars: their row positions, int64 [N], ascending.
        teacher: Θ_{t-1}.
        exemplar_weight: λ_t.

    Examples:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)
        >>> method = ADER(log.sizes, exemplar_share=0.3)
        >>> method.features(log.batch(torch.arange(5), history_size=3)).shape  # 8 numbers for each of three tables
        torch.Size([5, 24])
    """

    needs_labels = "it distils each row's probability"

    def __init__(self, sizes: Sizes, exemplar_share: float = 0.3, distillation: float = 1.0, **base: Any) -> None:
        """Build the base model and its teacher.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            exemplar_share: number of exemplars as a share of the pre-training rows, rounded up.
            distillation: λ_base, how much the exemplars weigh against the new rows; 0 is plain incremental update.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        if not self.pretrain_periods:
            raise ConfigError("ADER's first exemplars are pre-training rows: model.pretrain_periods must be at least 1")
        if not 0 < exemplar_share <= 1:
            raise ConfigError(f"model.exemplar_share must be above 0 and at most 1, got {exemplar_share}")
        if not distillation >= 0:
            raise ConfigError(f"model.distillation must not be negative, got {distillation}")
        self.exemplar_share = exemplar_share
        self.distillation = distillation
        self.exemplars = torch.zeros(0, dtype=torch.int64)
        self.teacher = copy.deepcopy(self.recommender).requires_grad_(False)
        self.exemplar_weight = 0.0
        self._features: list[Tensor] = []

    def phases(self, period: int) -> list[Phase]:
        """Score, herd, update."""
        candidates = Reading(
            *("herd", period, (period - 1,)), training=False, rows=self.candidates(period), negatives=False
        )
        herding = Phase(candidates, self.collect, end=lambda: self.choose(period))
        updates = [
            Phase(
                Reading("update", period, (period,), n, beside=self.exemplars, batch_size=self.batch_size), self.replay
            )
            for n in range(self.passes)
        ]
        return [self.scoring(period), herding, *updates]

    # ---- the exemplars

    def candidates(self, period: int) -> Tensor:
        """Rows among which the exemplars for a period are chosen, int64: all are of earlier periods."""
        first = 1 if period == self.pretrain_periods + 1 else period - 1
        newest = self.data.rows_of(first, period - 1)
        return torch.cat([self.exemplars, torch.arange(newest.start, newest.stop)])

    def collect(self, batch: Batch) -> None:
        """Keep the features of some of the candidates."""
        self._features.append(gathered(self.features(batch)))

    def features(self, batch: Batch) -> Tensor:
        """The gradient of each row's loss by its looked-up vectors, summed per table, float [B, Σ D of the tables]."""
        lookups = {}
        for name, request in self.recommender.requests(batch).items():
            asked = request.answer(self.recommender.stored(name).detach(), request.rows)
            vectors = asked.vectors().flatten(0, -2).requires_grad_()  # one for each id
            lookups[name] = Lookup(vectors, torch.arange(len(vectors), device=vectors.device).view_as(asked.index))
        with torch.enable_grad():
            logits = self.recommender(batch, lookups)
        by_logit = logits.detach().sigmoid() - batch.label
        gradients = torch.autograd.grad(logits, [lookup.weight for lookup in lookups.values()], by_logit)
        sizes = [lookup.index.shape[1:].numel() for lookup in lookups.values()]  # ids of a row
        of_tables = zip(gradients, sizes, strict=True)
        return torch.cat([g.view(len(logits), size, g.shape[1]).sum(1) for g, size in of_tables], dim=1)

    def choose(self, period: int) -> None:
        """Choose the exemplars by their features; Θ_{t-1} becomes the teacher, and λ_t is set."""
        data, rows = self.data, self.candidates(period)
        features = torch.cat(self._features)
        self._features = []
        candidates = data.log.batch(rows, history_size=0)
        classes = 2 * candidates.item + candidates.label.long()
        _, groups, counts = classes.to(features.device).unique(return_inverse=True, return_counts=True)
        budget = math.ceil(self.exemplar_share * len(data.rows_of(1, self.pretrain_periods)))
        self.exemplars = rows[herd(features, groups, quotas(counts, budget)).cpu()]
        self.teacher.load_state_dict(self.recommender.state_dict())
        new = data.rows_of(period)
        items_before, items_now = (data.log.known(count)[1] for count in (new.start, new.stop))
        self.exemplar_weight = self.distillation * math.sqrt(items_before / items_now * budget / max(1, len(new)))

    # ---- the update

    def replay(self, batches: tuple[Batch, Batch]) -> None:
        """Take one step on a mini-batch of new rows and one of exemplars."""
        new, old = batches
        self.step_optimizer(0, self.loss(new) + self.exemplar_weight * self.distillation_loss(old))

    def distillation_loss(self, exemplars: Batch) -> Tensor:
        """The cross-entropy with the teacher's predictions."""
        return soft_cross_entropy(self.recommender(exemplars), self.teacher, exemplars)

    # ---- Lightning's hooks

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the exemplars and their weight."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["exemplars"], checkpoint["exemplar_weight"] = self.exemplars, self.exemplar_weight

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back."""
        super().on_load_checkpoint(checkpoint)
        self.exemplars, self.exemplar_weight = checkpoint["exemplars"], checkpoint["exemplar_weight"]
