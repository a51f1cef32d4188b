"""ADER's exemplars: which examples are kept, and how they hold the model back.

examples of the week, and the exemplars so far
     └─▶ an item's share by how often it is the target ─▶ herding of the last states, item by item ─▶ exemplars
mini-batch ──────────────▶ cross-entropy with the next item ──────────────┐
some of the exemplars ───▶ cross-entropy with the teacher's softmax · λ_t ┴─▶ + ─▶ a step
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.experiments.next_item.model import logits, states
from asmg_pl.experiments.next_item.sessions import Sessions
from asmg_pl.recommenders import SASRec
from asmg_pl.updaters.herding import herd, quotas


def distillation_weight(base: float, known_before: int, known: int, exemplars: int, examples: int) -> float:
    """The weight of the distillation loss, λ_t = λ · √(|I_{t-1}| / |I_t| · |E| / |D_t|).

    The more is new, the less the past holds the model back.

    Args:
        base: λ.
        known_before: |I_{t-1}|, the items that the teacher knows.
        known: |I_t|, the items known now.
        exemplars: |E|.
        examples: |D_t|, those that the period is trained on.

    Examples:
        >>> distillation_weight(0.8, known_before=50, known=100, exemplars=200, examples=400)
        0.4
    """
    return base * math.sqrt(known_before / known * exemplars / examples)


@torch.no_grad()
def choose(model: SASRec, sessions: Sessions, candidates: Tensor, budget: int, places: int, rows: int) -> Tensor:
    """Choose exemplars, int64, ascending.

    Args:
        model: what has been trained on the candidates; its last states are herded.
        sessions: all clicks.
        candidates: the examples to choose from, int64.
        budget: how many exemplars are chosen; all, if there are fewer candidates.
        places: how many clicks of a history are read.
        rows: candidates that are read at a time.
    """
    model.eval()
    features = torch.cat([states(model, sessions.batch(part, places)) for part in candidates.split(rows)])
    _, groups, counts = sessions.items[candidates].unique(return_inverse=True, return_counts=True)
    chosen = herd(features, groups, quotas(counts, min(budget, len(candidates))))
    return candidates[chosen].sort().values


@dataclass
class Replay:
    """The distillation loss of exemplars, a part of them for each step, so that an epoch reads all of them once.

    Attributes:
        teacher: the model as it was before the period.
        sessions: all clicks.
        exemplars: int64.
        weight: λ_t.
        places: how many clicks of a history are read.
    """

    teacher: SASRec
    sessions: Sessions
    exemplars: Tensor
    weight: float
    places: int
    _parts: list[Tensor] = field(default_factory=list)

    def begin_epoch(self, steps: int) -> None:
        """Deal the exemplars out anew to the steps of an epoch."""
        order = torch.randperm(len(self.exemplars)).to(self.exemplars.device)
        self._parts = list(self.exemplars[order].tensor_split(steps))

    def loss(self, model: SASRec, step: int) -> Tensor:
        """λ_t times the mean cross-entropy of the model with the teacher, over the items that the teacher knows."""
        part = self._parts[step]
        if not len(part):
            return model.newcomer.new_zeros(())
        batch = self.sessions.batch(part, self.places)
        with torch.no_grad():
            soft_label = logits(self.teacher, batch).softmax(1)
        known_before = soft_label.shape[1]
        return self.weight * F.cross_entropy(logits(model, batch)[:, :known_before], soft_label)
