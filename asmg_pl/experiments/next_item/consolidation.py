"""EWC: what the week before has made important holds the model back.

some examples of the week before ─▶ squared gradients of the model as it was ─▶ importance F of each parameter
mini-batch ─▶ cross-entropy with the next item + λ/2 · Σ F (θ - θ before)² ─▶ a step

Source: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.experiments.next_item.model import logits
from asmg_pl.experiments.next_item.sessions import Sessions
from asmg_pl.experiments.next_item.settings import Settings
from asmg_pl.recommenders import SASRec


@dataclass(frozen=True)
class Consolidation:
    """The penalty on leaving the parameters of the period before.

    Attributes:
        anchor: the parameters before the period, by name.
        importance: F of each number, in the same shapes: the mean of B · g² over mini-batches of B examples.
        strength: λ.
    """

    anchor: Mapping[str, Tensor]
    importance: Mapping[str, Tensor]
    strength: float

    @classmethod
    def of(cls, model: SASRec, sessions: Sessions, examples: Tensor, settings: Settings) -> Self:
        """Weigh the parameters of a model, which stays as it is.

        Args:
            model: as the period before has left it, with the items that it knew.
            sessions: all clicks.
            examples: those that tell what is important, int64, at least one.
            settings: of the study.
        """
        model.eval()
        named = dict(model.named_parameters())
        squares = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
        parts = examples.split(settings.batch_size)
        for part in parts:
            batch = sessions.batch(part, settings.places)
            loss = F.cross_entropy(logits(model, batch), batch.item)
            gradients = torch.autograd.grad(loss, [*named.values()])
            for name, gradient in zip(named, gradients, strict=True):
                squares[name].addcmul_(gradient, gradient, value=len(part) / len(parts))
        anchor = {name: parameter.detach().clone() for name, parameter in named.items()}
        return cls(anchor, squares, settings.consolidation)

    def begin_epoch(self, steps: int) -> None:
        """All epochs are alike."""

    def loss(self, model: SASRec, step: int) -> Tensor:
        """λ/2 · Σ F (θ - θ before)²; nothing is important of the rows of new items."""
        found = model.newcomer.new_zeros(())
        for name, parameter in model.named_parameters():
            before = self.anchor[name]
            found = found + (self.importance[name] * (parameter[: len(before)] - before).square()).sum()
        return self.strength / 2 * found
