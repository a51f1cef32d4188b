"""Training of a period: epochs over its examples, until the examples held out are ranked no better."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.errors import DivergedError
from asmg_pl.experiments.next_item.model import logits
from asmg_pl.experiments.next_item.ranks import figures, ranks
from asmg_pl.experiments.next_item.sessions import Sessions
from asmg_pl.experiments.next_item.settings import Settings
from asmg_pl.recommenders import SASRec


class Restraint(Protocol):
    """What holds a model back from forgetting the weeks before."""

    def begin_epoch(self, steps: int) -> None:
        """Get ready for an epoch of so many steps."""

    def loss(self, model: SASRec, step: int) -> Tensor:
        """What is added to the loss of a step of the epoch, counted from 0."""


#: Is told the number of an epoch, from 1, and that of a step in it, from 0.
Tell = Callable[[int, int], None]


def train(
    model: SASRec,
    sessions: Sessions,
    trained: Tensor,
    held_out: Tensor,
    settings: Settings,
    restraint: Restraint | None,
    tell: Tell,
) -> int:
    """Train a model, which afterwards is as it was after its best epoch.

    Args:
        model: at its start.
        sessions: all clicks.
        trained: the examples to train on, int64.
        held_out: those whose Recall@20 tells the best epoch, int64.
        settings: of the study.
        restraint: what holds the model back, if anything does.
        tell: is called before each step.

    Returns:
        The number of the best epoch, from 1.

    Raises:
        DivergedError: if a loss is not finite.
    """
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate)
    best, best_epoch, kept = -1.0, 0, model.state_dict()
    for epoch in range(1, settings.epochs + 1):
        parts = trained[torch.randperm(len(trained)).to(trained.device)].split(settings.batch_size)
        if restraint is not None:
            restraint.begin_epoch(len(parts))
        model.train()
        for step, part in enumerate(parts):
            tell(epoch, step)
            batch = sessions.batch(part, settings.places)
            loss = F.cross_entropy(logits(model, batch), batch.item)
            if restraint is not None:
                loss = loss + restraint.loss(model, step)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if not loss.isfinite():
            raise DivergedError(
                f"the loss is {loss.item()} after epoch {epoch}: what finished periods have left is sound"
            )
        recall = figures(ranked(model, sessions, held_out, settings))["recall_20"]
        if recall > best:
            best, best_epoch, kept = recall, epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch == settings.patience:
            break
    model.load_state_dict(kept)
    return best_epoch


@torch.no_grad()
def ranked(model: SASRec, sessions: Sessions, examples: Tensor, settings: Settings) -> Tensor:
    """The rank of each example's item among all items that the model knows, int64 [E].

    Args:
        model: the model.
        sessions: the clicks.
        examples: int64 [E].
        settings: of the study.
    """
    model.eval()
    batches = (sessions.batch(part, settings.places) for part in examples.split(settings.batch_size))
    return torch.cat([ranks(logits(model, batch), batch.item) for batch in batches])
