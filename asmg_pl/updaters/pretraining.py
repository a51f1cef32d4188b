"""Pre-training of the base model: made here, or taken over from an earlier walk.

epoch            0                     1                          last
                 pretrain ─▶ select    pretrain ─▶ select    …    select ─▶ back to the best epoch, which is Θ_0
select           the AUC on the next period, or the LogLoss where that period has one class only
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from asmg_pl.checkpoints.growth import grow_moments, grow_state, table_growth
from asmg_pl.data.batch import Batch
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.errors import CheckpointError
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters.optim.rates import adopted
from asmg_pl.updaters.walking.phase import Phase

log = logging.getLogger(__name__)

PREFIX = "recommender."

Growth = Mapping[str, tuple[int, int]]


class Pretraining:
    """Trains the base model on the first periods together, and keeps the epoch that scores best on the next one.

    Attributes:
        periods: how many periods pre-train the base model.
        epochs: how often it goes over them.
        given: the checkpoint from which a pre-trained base model is taken instead.
        best: the best epoch so far, with its ``score``, ``weights`` and ``optimizer``; empty before and after.
    """

    def __init__(self, recommender: Recommender, periods: int, epochs: int, given: str | None = None) -> None:
        """Begin with no epoch.

        Args:
            recommender: the base model.
            periods: the number of periods, from the first one on.
            epochs: the number of epochs.
            given: path of a checkpoint that was made just after pre-training on the same periods.
        """
        self.periods = periods
        self.epochs = epochs
        self.given = given
        self.best: dict[str, Any] = {}
        self._recommender = recommender
        self._initial = {name: value.detach().cpu().clone() for name, value in recommender.dense_parameters().items()}

    def phases(
        self,
        train: Callable[[Batch], None],
        score: Callable[[Batch], None],
        end_epoch: Callable[[int], None],
        batch_size: int | None = None,
    ) -> list[Phase]:
        """Two phases for each epoch; they belong to the last period that they train on.

        Args:
            train: takes a step on a mini-batch.
            score: scores a mini-batch of the next period.
            end_epoch: called with each epoch's number, from 0, once it is scored.
            batch_size: rows of a mini-batch; by default ``data.batch_size``.
        """
        if self.given:
            return []
        last, read = self.periods, tuple(range(1, self.periods + 1))
        phases = []
        for epoch in range(self.epochs):
            scored = Reading("select", last, (last + 1,), epoch, training=False)
            phases.append(Phase(Reading("pretrain", last, read, epoch, batch_size=batch_size), train))
            phases.append(Phase(scored, score, partial(end_epoch, epoch)))
        return phases

    def end_epoch(
        self, epoch: int, scores: Mapping[str, float], optimizer: torch.optim.Optimizer, constant: bool = False
    ) -> bool:
        """Keep an epoch if it is the best so far. After the last one, go back to the best one.

        A model that gives all rows one score has lost its units: no gradient reaches them any more. Its dense
        parameters begin anew, at half the learning rate.

        Args:
            epoch: its number, from 0.
            scores: what the base model scores on the next period, with ``auc`` and ``logloss``.
            optimizer: of ``recommender.parameters()``.
            constant: whether the base model gives all rows of the next period one score.

        Returns:
            Whether pre-training is over.
        """
        score = -scores["logloss"] if math.isnan(scores["auc"]) else scores["auc"]
        log.debug("pre-training's epoch %d has the score %.4f", epoch + 1, score)
        if not self.best or score > self.best["score"]:
            weights = self._recommender.state_dict()
            self.best = copy.deepcopy({"score": score, "weights": weights, "optimizer": optimizer.state_dict()})
        if epoch < self.epochs - 1:
            if constant:
                self._begin_anew(epoch, optimizer)
            return False
        if constant and score == self.best["score"]:
            log.warning(
                "pre-training has not made a model that tells rows of period %d apart: lower "
                "model.init_args.pretrain_learning_rate",
                self.periods + 1,
            )
        log.debug("pre-training ends with its best epoch, of score %.4f", self.best["score"])
        self._recommender.load_state_dict(self.best["weights"])
        optimizer.load_state_dict(self.best["optimizer"])
        self.best = {}
        return True

    @torch.no_grad()
    def _begin_anew(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        for name, value in self._recommender.dense_parameters().items():
            value.copy_(self._initial[name])
            optimizer.state.pop(value, None)
        for group in optimizer.param_groups:
            group["lr"] /= 2
        log.warning(
            "after epoch %d of pre-training, the model gives all rows of period %d one score: its dense parameters "
            "begin anew, at half the learning rate",
            *(epoch + 1, self.periods + 1),
        )

    def grow_best(self, growth: Growth) -> None:
        """Extend the tables of the best epoch and their moments, as the base model's are extended.

        Args:
            growth: rows of each table, in the checkpoint and now.
        """
        if self.best:
            grow_state(self.best["weights"], self._recommender.state_dict(), growth)
            grow_moments(self.best["optimizer"], self._recommender, growth)

    def take_over(
        self,
        checkpoint: Mapping[str, Any],
        optimizer: torch.optim.Optimizer,
        data: PeriodDataModule,
        begin_as: Callable[[Mapping[str, Any], Growth], None],
    ) -> None:
        """Take the base model and its moments from a checkpoint; whatever else the checkpoint has is left.

        Args:
            checkpoint: of any method, with tables sharded as the recommender's are.
            optimizer: of ``recommender.parameters()``, which gets the moments and pre-training's learning rate.
            data: the stream of this walk.
            begin_as: takes over the numbers that rows start from which the checkpoint's tables lack.

        Raises:
            CheckpointError: if the checkpoint was not made just after pre-training on the same periods of the same
                stream, or belongs to another base model.
        """
        recommender, path = self._recommender, Path(self.given or "")
        cut, trained_until = checkpoint[type(data).__qualname__], checkpoint["place"]["trained_until"]
        data.check_same_stream(cut)
        if checkpoint["best_pretraining_epoch"] or trained_until != self.periods:
            raise CheckpointError(
                f"{path} is not the end of a pre-training on periods 1 to {self.periods}: make one with asmg fit … "
                f"--loop.until {self.periods}"
            )
        if cut["boundaries"][: self.periods + 1] != data.boundaries[: self.periods + 1]:
            raise CheckpointError(
                f"{path} was pre-trained on periods that end elsewhere: give it the same data.periods"
            )
        weights = {k.removeprefix(PREFIX): v for k, v in checkpoint["state_dict"].items() if k.startswith(PREFIX)}
        moments: dict[str, Any] = next(iter(checkpoint["optimizer_states"]), {"state": {}, "param_groups": []})
        growth = table_growth(weights, recommender.state_dict())
        begin_as(checkpoint, growth)
        grow_state(weights, recommender.state_dict(), growth)
        if _parameters_of(moments) != _parameters_of(optimizer.state_dict()):
            raise CheckpointError(f"{path} has no moments for the parameters of this base model: pre-train it again")
        grow_moments(moments, recommender, growth)
        recommender.load_state_dict(weights)
        optimizer.load_state_dict(adopted(moments, optimizer))


def _parameters_of(optimizer: Mapping[str, Any]) -> list[Any]:
    """The numbers of the parameters in an optimiser's ``state_dict``."""
    return [parameter for group in optimizer["param_groups"] for parameter in group["params"]]
