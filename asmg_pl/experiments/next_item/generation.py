"""ASMG on the study's model: a generator makes what is tested from the models that the latest periods have left.

models after periods     θ_{p-k} … θ_{p-1} ─▶ generator ─▶ θ*_{p-1}     trained on the new week, which it shall foresee
                         θ_{p-k+1} …  θ_p ─▶ generator ─▶ θ*_p          tested on the week after

The models themselves are those of finetune. Nothing of a generator's training reaches them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from asmg_pl.errors import DivergedError
from asmg_pl.experiments.next_item.model import logits
from asmg_pl.experiments.next_item.sessions import Sessions
from asmg_pl.experiments.next_item.settings import Settings
from asmg_pl.generators import Generator, ParameterShapes
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.randomness.keyed import seeded
from asmg_pl.recommenders import SASRec

#: The one table of the model, as its parameters name it.
TABLE = "tables.item.weight"


class Generation:
    """A generator on its walk, and the models that it reads.

    Attributes:
        generator: maps windows of parameters to generated ones.
        snapshots: the parameters by name that the latest periods have left, the oldest first; at most as many as the
            window has.
        trained: whether the generator has taken a step.
    """

    def __init__(
        self, kind: Callable[[ParameterShapes], Generator], model: SASRec, settings: Settings, device: torch.device
    ) -> None:
        """Begin without any snapshot.

        Args:
            kind: makes the generator.
            model: the study's model.
            settings: of the study.
            device: where the generator is trained.
        """
        self._settings = settings
        with seeded(settings.seed, "generator"):
            self.generator = kind(ParameterHistory.shapes_of(model, settings.window)).to(device)
        self.snapshots: list[dict[str, Tensor]] = []
        self.trained = False

    def push(self, model: SASRec) -> None:
        """Take a snapshot of what a period has left."""
        newest = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self.snapshots = [*self.snapshots, newest][-self._settings.window :]

    def train(self, model: SASRec, sessions: Sessions, examples: Tensor) -> None:
        """Train the generator on a new week, as soon as the window is full.

        Args:
            model: as the period before has left it, with the rows of the week's new items; it stays as it is.
            sessions: all clicks.
            examples: of the new week, int64.

        Raises:
            DivergedError: if a loss is not finite.
        """
        if len(self.snapshots) < self._settings.window:
            return
        scores = _Scores(copy.deepcopy(model).requires_grad_(False).eval())
        optimizer = torch.optim.Adam(self.generator.parameters(), self._settings.generator_rate)
        for _ in range(self._settings.generator_passes):
            for part in examples[torch.randperm(len(examples)).to(examples.device)].split(self._settings.batch_size):
                batch = sessions.batch(part, self._settings.places)
                made = {f"model.{name}": value for name, value in self.generated(model).items()}
                loss = F.cross_entropy(functional_call(scores, made, (batch,)), batch.item)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if not loss.isfinite():
                raise DivergedError(f"the generator's loss is {loss.item()}: what finished periods have left is sound")
        self.trained = True

    def generated(self, model: SASRec) -> dict[str, Tensor]:
        """The parameters by name that the generator makes of the snapshots.

        An item's row that a snapshot lacks is that of the next one which has it, and at last the model's.

        Args:
            model: whose items count; it has all that the snapshots have.
        """
        tables, later = [], model.stored("item").detach()
        for snapshot in reversed(self.snapshots):
            later = torch.cat([snapshot[TABLE], later[len(snapshot[TABLE]) :]])
            tables.append(later)
        window = torch.stack(tables[::-1])  # [k, I, D]
        state = window.new_zeros(*window.shape[1:], self.generator.hidden_size)
        names = [name for name in self.snapshots[0] if name != TABLE]
        dense = torch.stack([torch.cat([each[name].flatten() for name in names]) for each in self.snapshots])  # [k, P]
        made = self.generator.generate_dense(dense, dense.new_zeros(dense.shape[1], self.generator.hidden_size))[-1]
        shapes = [self.snapshots[0][name].shape for name in names]
        parts = made.split([shape.numel() for shape in shapes])
        rows = self.generator.generate("item", window, state)[-1]
        return {TABLE: rows} | {n: part.view(shape) for n, part, shape in zip(names, parts, shapes, strict=True)}

    @torch.no_grad()
    def served(self, model: SASRec) -> SASRec:
        """The model that is tested: the generated one, or the model itself until the generator is trained."""
        if not self.trained:
            return model
        made = copy.deepcopy(model)
        made.load_state_dict(model.state_dict() | self.generated(model))
        return made

    def state(self) -> dict[str, Any]:
        """What the next period needs."""
        return {
            "snapshots": self.snapshots,
            "generator": dict(self.generator.state_dict()),
            "trained": self.trained,
        }

    def load(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take it back."""
        self.snapshots = [{name: value.to(device) for name, value in each.items()} for each in state["snapshots"]]
        self.generator.load_state_dict(state["generator"])
        self.trained = bool(state["trained"])


class _Scores(nn.Module):
    """The scores of all items, as a function of the model's parameters."""

    def __init__(self, model: SASRec) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Any) -> Tensor:
        return logits(self.model, batch)
