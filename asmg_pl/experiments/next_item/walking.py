"""The walk of one method: period after period, from the first one that is not finished."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from asmg_pl.errors import DataError
from asmg_pl.experiments.next_item import finished
from asmg_pl.experiments.next_item.consolidation import Consolidation
from asmg_pl.experiments.next_item.exemplars import Replay, choose, distillation_weight
from asmg_pl.experiments.next_item.generation import Generation
from asmg_pl.experiments.next_item.methods import Method
from asmg_pl.experiments.next_item.model import build, grow
from asmg_pl.experiments.next_item.ranks import figures
from asmg_pl.experiments.next_item.settings import Settings
from asmg_pl.experiments.next_item.training import ranked, train
from asmg_pl.experiments.next_item.weeks import Weeks
from asmg_pl.randomness.keyed import fraction, seeded
from asmg_pl.recommenders import SASRec
from asmg_pl.system.screen import bar_options

logger = logging.getLogger(__name__)


class Walk:
    """A method on its way along the weeks.

    Attributes:
        model: as the last period has left it.
        exemplars: those that are kept, int64; none, for a method without any.
        generation: the generator and what it reads; ``None`` for a method without one.
    """

    def __init__(self, method: Method, weeks: Weeks, settings: Settings, device: torch.device) -> None:
        """Stand before the first period.

        Args:
            method: the method.
            weeks: the clicks.
            settings: of the study.
            device: where the model is trained.
        """
        self.method, self.weeks, self.settings, self.device = method, weeks, settings, device
        self.sessions = weeks.sessions.to(device)
        self.model = self._new(weeks.known(0))
        self.exemplars = torch.zeros(0, dtype=torch.int64, device=device)
        kind = method.generator
        self.generation = None if kind is None else Generation(kind, self.model, settings, device)

    def walk(self, folder: Path) -> Iterator[dict[str, Any]]:
        """Give the figures of period after period. Those that are finished are read, and the others are walked.

        Args:
            folder: of the study.

        Raises:
            UserError: if a finished period cannot be read, or a week has nothing to test.
        """
        for period in range(1, self.settings.periods + 1):
            path = finished.place(folder, self.method.name, period)
            if not path.is_dir():
                before = finished.place(folder, self.method.name, period - 1)
                if before.is_dir():
                    self._load(period, *finished.state(before))
                with seeded(self.settings.seed, "period", period):
                    found = self._period(period)
                generation = {} if self.generation is None else self.generation.state()
                finished.write(path, found, self.model.state_dict(), self.exemplars, generation)
                logger.info("%s, period %d: Recall@20 %.4f", self.method.title, period, found["recall_20"])
            yield {"method": self.method.name} | finished.figures(path)

    def _period(self, period: int) -> dict[str, Any]:
        """Train on the weeks before, test on this one, and choose exemplars for the next period."""
        weeks, settings = self.weeks, self.settings
        split = [weeks.split(week, settings.held_out, settings.seed) for week in self.method.weeks(period)]
        trained, held_out = (torch.cat(parts).to(self.device) for parts in zip(*split, strict=True))
        tested = weeks.tested(period).to(self.device)
        examples = tested.examples()
        for some, what in ((trained, "train on"), (held_out, "hold out"), (examples, "test")):
            if not len(some):
                raise DataError(f"period {period} has no example to {what}: its weeks have too few clicks")
        restraint = self._consolidation(period) if self.method.consolidated else self._replay(period, len(trained))
        if self.method.anew:
            self.model = self._new(weeks.known(0))
        grow(self.model, weeks.known(period - 1), weeks.known(0), settings.seed)
        if self.generation is not None:
            with seeded(settings.seed, "generator", period):
                self.generation.train(self.model, self.sessions, trained)
        name = f"{self.method.name} · period {period} of {settings.periods}"
        with tqdm(desc=name, total=math.ceil(len(trained) / settings.batch_size), **bar_options()) as bar:

            def tell(epoch: int, step: int) -> None:
                if step == 0:
                    bar.reset()
                    bar.set_description(f"{name} · epoch {epoch}", refresh=False)
                bar.update()

            epoch = train(self.model, self.sessions, trained, held_out, settings, restraint, tell)
        if self.method.exemplars:
            candidates = torch.cat([self.exemplars, trained])
            rows = settings.batch_size
            self.exemplars = choose(
                self.model, self.sessions, candidates, settings.exemplars, settings.places, rows=rows
            )
        served = self.model
        if self.generation is not None:
            self.generation.push(self.model)
            served = self.generation.served(self.model)
        counts = {"period": period, "examples": len(examples), "best_epoch": epoch}
        return {**counts, **figures(ranked(served, tested, examples, settings))}

    def _replay(self, period: int, examples: int) -> Replay | None:
        """The exemplars that are replayed; none in the first period."""
        if not len(self.exemplars):
            return None
        known_before, known = self.weeks.known(period - 2), self.weeks.known(period - 1)
        weight = distillation_weight(
            self.settings.distillation, known_before, known, len(self.exemplars), examples=examples
        )
        teacher = copy.deepcopy(self.model).requires_grad_(False).eval()
        return Replay(teacher, self.sessions, self.exemplars, weight, self.settings.places)

    def _consolidation(self, period: int) -> Consolidation | None:
        """The penalty on leaving what the period before has trained; none in the first period."""
        if period == 1:
            return None
        trained, _ = self.weeks.split(period - 2, self.settings.held_out, self.settings.seed)
        order = fraction(trained, self.settings.seed, "weighed").argsort(stable=True)
        examples = trained[order[: self.settings.weighed]].to(self.device)
        return Consolidation.of(self.model, self.sessions, examples, self.settings)

    def _new(self, known: int) -> SASRec:
        return build(self.settings, self.settings.dropout if self.method.dropout else 0.0, known).to(self.device)

    def _load(self, period: int, model: dict[str, Tensor], exemplars: Tensor, generation: dict[str, Any]) -> None:
        """Take what the period before has left."""
        grow(self.model, self.weeks.known(period - 2), self.weeks.known(0), self.settings.seed)
        self.model.load_state_dict(model)
        self.exemplars = exemplars.to(self.device)
        if self.generation is not None:
            self.generation.load(generation, self.device)
