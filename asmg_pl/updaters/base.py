"""Updaters: how a recommender is kept fresh while a stream goes by."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from lightning import LightningModule
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from asmg_pl.checkpoints.growth import grow_moments, grow_state, table_growth
from asmg_pl.checkpoints.values import Flaw, check_infinite
from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.data.phase import Phase, nothing
from asmg_pl.distributed import ShardedTables
from asmg_pl.distributed.processes import average_gradients, without_reduction
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.generators.learned import Learned
from asmg_pl.generators.table_entries import histories_in, models_in
from asmg_pl.metrics import Scoreboard
from asmg_pl.metrics.results import NOT_COUNTED, PeriodResult, mean_over
from asmg_pl.randomness.keyed import seed_of
from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.updaters.finite import Watch, stop_if, trained, unsound
from asmg_pl.updaters.initial import Draw, known_sizes, on_meta, table_rows
from asmg_pl.updaters.losses import cross_entropy
from asmg_pl.updaters.memory import require, size_of
from asmg_pl.updaters.optim import Adam, RowAdam
from asmg_pl.updaters.pretrained import load_pretrained


class Updater(LightningModule):
    """Pre-trains a recommender on the first periods, then says what happens when a period arrives.

    A subclass defines :meth:`phases`, the passes that follow the arrival of period ``t``, the first of them
    ``self.scoring(t)``. Each further :class:`~asmg_pl.data.phase.Phase` names the periods that it reads and the
    method that it calls with each mini-batch. If the model that serves is not ``self.recommender`` itself, the
    subclass overrides :meth:`scored_models` too. Parameters and buffers are saved and resumed; other state goes into
    ``on_save_checkpoint`` and ``on_load_checkpoint``.

    Attributes:
        results: what the walk has scored so far, by period.
        evaluation: what the latest ``validate`` or ``test`` has scored, by period.
        learned: what a method's generator has learned, by period, see :mod:`asmg_pl.generators.learned`.
        phase: the phase that is running or has just ended.
        initial_draw: what the models started from.
        needs_whole_tables: why the method does not work with tables of which a rank holds some rows only.

    Example:
        One that is held back by the size of its dense parameters:

        >>> class Decayed(Updater):
        ...     def phases(self, period):
        ...         return [self.scoring(period), *self.updating(period)]
        ...
        ...     def loss(self, batch):
        ...         dense = self.recommender.dense_parameters().values()
        ...         return super().loss(batch) + 1e-3 * sum(weight.square().sum() for weight in dense)
        >>> [phase.name for phase in Decayed(Sizes(users=9, items=9), passes=2).phases(11)]
        ['score', 'update', 'update']
    """

    needs_whole_tables: str | None = None

    def __init__(
        self,
        sizes: Sizes,
        recommender: Callable[[Sizes], Recommender] = EmbeddingMLP,
        learning_rate: float = 1e-3,
        passes: int = 1,
        pretrain_periods: int = 10,
        pretrain_epochs: int = 10,
        pretrain_learning_rate: float | None = None,
        test_from: int = 25,
        pretrained_model: str | None = None,
        row_wise: bool = False,
        gradient_clip: float | None = None,
    ) -> None:
        """Build the base model.

        Args:
            sizes: ``data.sizes``, the numbers of users, items and categories; the command line takes them from the
                data. The initial model is drawn for those that pre-training sees. If it sees no categories, there is no
                table of them.
            recommender: class of the base model Θ, called with the sizes.
            learning_rate: of the base model's Adam, whose moments are carried from period to period.
            passes: how often each new period is gone over.
            pretrain_periods: the first periods, which pre-train the base model together.
            pretrain_epochs: epochs of pre-training; the one with the best AUC on the next period is kept, or with the
                best LogLoss, if that period has rows of one class only.
            pretrain_learning_rate: of the base model's Adam in pre-training; by default ``learning_rate``.
            test_from: the first period whose score counts as a test; earlier ones warm the method up.
            pretrained_model: a checkpoint made just after pre-training on the same periods, by whatever method. Its
                base model, with its moments, is where this walk begins, so that many walks share one pre-training.
            row_wise: whether a step of the base model changes only the table rows that its mini-batch touches, in time
                that does not grow with the tables. By default the others move too, by their moments, as in the paper.
            gradient_clip: the largest norm of a step's gradient, over all that it moves; a longer one is shortened
                to it. By default there is no limit.
        """
        super().__init__()
        self.automatic_optimization = False
        for name, value, least in [
            ("passes", passes, 1),
            ("pretrain_periods", pretrain_periods, 0),
            ("pretrain_epochs", pretrain_epochs, 1 if pretrain_periods else 0),
            ("test_from", test_from, 1),
        ]:
            if value < least:
                raise ConfigError(f"model.{name} must be at least {least}, got {value}")
        for name, rate in [("learning_rate", learning_rate), ("pretrain_learning_rate", pretrain_learning_rate)]:
            if rate is not None and not rate > 0:
                raise ConfigError(f"model.{name} must be positive, got {rate}")
        if gradient_clip is not None and not gradient_clip > 0:
            raise ConfigError(f"model.gradient_clip must be positive, got {gradient_clip}")
        if gradient_clip is not None and row_wise:
            raise ConfigError("model.gradient_clip does not work with model.row_wise: leave one of them out")
        self.gradient_clip = gradient_clip
        self.learning_rate = learning_rate
        self.passes = passes
        self.pretrain_periods = pretrain_periods
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_learning_rate = pretrain_learning_rate or learning_rate
        self.test_from = test_from
        self.pretrained_model = pretrained_model
        known = known_sizes(sizes, pretrain_periods)
        sizes = sizes._replace(categories=sizes.categories if known.categories else 0, past=None)
        shapes = on_meta(recommender, sizes)
        if shapes is not None:
            _require_room(shapes)
        self.initial_draw = Draw(torch.initial_seed(), table_rows(recommender, known))
        self.recommender = self.initial_draw.build(recommender, sizes, known)
        if shapes is None:
            _require_room(self.recommender)
        self.recommender.row_wise = row_wise
        self._build, self._sizes = recommender, sizes
        self.results: dict[int, PeriodResult] = {}
        self.evaluation: dict[int, PeriodResult] = {}
        self.learned: dict[int, Learned] = {}
        self.phase: Phase | None = None
        self._part, self._parts = 0, 1  # of a mini-batch, see PeriodDataModule
        self._mini_batch = 0
        self._watch = Watch()
        self._stands_at = 0
        self._scoreboard = Scoreboard(self._known_before)
        self._best: dict[str, Any] = {}

    # ---- what a subclass defines

    @abstractmethod
    def phases(self, period: int) -> list[Phase]:
        """The passes that follow the arrival of a period after pre-training, in order."""

    def scored_models(self) -> Mapping[str, Recommender]:
        """The models scored on each new period; ``"serving"`` is the one that answers requests."""
        return {"serving": self.recommender}

    def pretrained(self) -> None:
        """Called once, when Θ_0 is ready."""

    def welcome(self, new: Mapping[str, tuple[int, int]]) -> None:
        """Called before a period is scored, if models that serve have other rows than the initial ones.

        Args:
            new: by table, the first place of the rows at hand that appear with the period, and the place after the
                last.
        """

    def redraw(self, draw: Draw) -> None:
        """Draw the tables of all models and snapshots anew, as those of another walk."""
        self.initial_draw = draw
        draw.fill_all(self, self.recommender)

    # ---- phases that every updater has

    def plan(self, period: int) -> list[Phase]:
        """The phases of any period; pre-training belongs to the last period that it reads."""
        if period > self.pretrain_periods:
            return self.phases(period)
        return self._pretraining() if period == self.pretrain_periods > 0 and not self.pretrained_model else []

    def scoring(self, period: int, end: Callable[[], None] = nothing) -> Phase:
        """The first phase of a period: its rows are scored before anything is trained; ``end`` is called after it.

        The result of models that have diverged is recorded too, before the walk stops.
        """

        def record() -> None:
            self.results[period] = self._scoreboard.take(period, self.split_of(period))
            self._stop_if_diverged(self.results[period])
            end()

        return Phase(
            *("score", period, (period,), lambda batch: self._score(batch, period), record),
            trains=False,
            begin=lambda: self.welcome(self._appearing(period)),
        )

    def updating(
        self, period: int, end: Callable[[], None] = nothing, reads: Sequence[int] | None = None
    ) -> list[Phase]:
        """Passes of the base model over the new period, or over ``reads``; ``end`` is called after the last one."""
        last = self.passes - 1
        rows = (period,) if reads is None else tuple(reads)
        return [
            Phase("update", period, rows, self.update, end if n == last else nothing, repeat=n)
            for n in range(self.passes)
        ]

    def pretrain(self, batch: Batch) -> None:
        """One step of the base model in pre-training."""
        self.take_step(0, self.cross_entropy(batch))

    def update(self, batch: Batch) -> None:
        """One step of the base model on its loss."""
        self.take_step(0, self.loss(batch))

    def loss(self, batch: Batch) -> Tensor:
        """What the base model is trained on after pre-training: the cross-entropy, unless a method says otherwise.

        Processes average their gradients; a mean over rows is to be taken as in :mod:`asmg_pl.updaters.losses`.
        """
        return self.cross_entropy(batch)

    def cross_entropy(self, batch: Batch) -> Tensor:
        """The base model's mean cross-entropy of the labels."""
        return cross_entropy(self.recommender(batch), batch.label, batch)

    def take_step(self, optimizer: int, loss: Tensor) -> None:
        """One step of one of the optimisers, counted in the order of :meth:`configure_optimizers`.

        If a mini-batch comes in parts, the step is taken with the last one; gradients are averaged over parts and
        processes.
        """
        optimizers = self.optimizers()
        chosen = optimizers[optimizer] if isinstance(optimizers, list) else optimizers
        self._watch.see("loss", loss, self._mini_batch)
        if self._part == 0:
            chosen.zero_grad()
        with without_reduction(self.trainer.model):
            self.manual_backward(loss if self._parts == 1 else loss / self._parts)
        if not self.completes_step:
            return
        if self.trainer.world_size > 1:
            tables = self.recommender.table_parameters()
            own = [table for name, table in tables.items() if name in self.recommender.owners]
            by_rows = list(tables.values()) if self.recommender.row_wise else []
            average_gradients(chosen.param_groups[0]["params"], by_rows, own)
        if self.gradient_clip is not None:
            moved = [parameter for group in chosen.param_groups for parameter in group["params"]]
            norm = nn.utils.clip_grad_norm_(moved, self.gradient_clip)
            self._watch.see("gradient", norm, self._mini_batch)
        chosen.step()

    @property
    def completes_step(self) -> bool:
        """Whether the part of a mini-batch at hand is its last one."""
        return self._part == self._parts - 1

    def end(self, phase: Phase) -> None:
        """Call a phase's end, with a look at what was trained before it and at what it has made after it.

        So nothing that is not finite is pushed, saved, exported or served. All processes stop together.

        Raises:
            DivergedError: naming the period, the phase, and the loss, the gradient, the parameters or the scores that
                are not finite.
        """
        if phase.trains:
            parameters, moments = trained(self, self.trainer.optimizers)
            stop_if(self._watch.take() + (unsound(parameters) or unsound(moments)), phase, self.device)
        phase.end()
        if phase.trains:
            models = {name: model for name, model in self.scored_models().items() if model is not self.recommender}
            made = {f"{name} {part}": v for name, model in models.items() for part, v in model.named_parameters()}
            stop_if(unsound(made), phase, self.device)

    def split_of(self, period: int) -> str:
        """``"selection"``, ``"warm-up"`` or ``"test"``, see :class:`~asmg_pl.metrics.results.PeriodResult`."""
        if self.pretrain_periods and period == self.pretrain_periods + 1:
            return "selection"
        return "test" if period >= self.test_from else "warm-up"

    def _pretraining(self) -> list[Phase]:
        last = self.pretrain_periods
        phases = []
        for epoch in range(self.pretrain_epochs):
            phases.append(Phase("pretrain", last, tuple(range(1, last + 1)), self.pretrain, repeat=epoch))
            phases.append(
                Phase("select", last, (last + 1,), self._score_base, self._keep_best, trains=False, repeat=epoch)
            )
        return phases

    def _score_base(self, batch: Batch) -> None:
        with self.full_precision():
            logits = self.recommender(batch)
        self._scoreboard.update(self.pretrain_periods + 1, {"serving": logits}, batch)

    def _keep_best(self) -> None:
        """Keep the best epoch's parameters and moments; after the last epoch, go back to them."""
        assert self.phase is not None
        result = self._scoreboard.take(self.pretrain_periods + 1, "selection")
        self._stop_if_diverged(result)
        scores = result.scores["serving"]
        score = -scores["logloss"] if math.isnan(scores["auc"]) else scores["auc"]
        optimizer = self.trainer.optimizers[0]
        if not self._best or score > self._best["score"]:
            weights = self.recommender.state_dict()
            self._best = copy.deepcopy({"score": score, "weights": weights, "optimizer": optimizer.state_dict()})
        if self.phase.repeat == self.pretrain_epochs - 1:
            self.recommender.load_state_dict(self._best["weights"])
            optimizer.load_state_dict(self._best["optimizer"])
            self._best = {}
            self._begin_updates()

    def _begin_updates(self) -> None:
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.learning_rate
        self.pretrained()

    def _score(self, batch: Batch, period: int) -> None:
        with self.full_precision():
            logits = {name: model(batch) for name, model in self.scored_models().items()}
        self._scoreboard.update(period, logits, batch)

    def _stop_if_diverged(self, result: PeriodResult) -> None:
        assert self.phase is not None
        scores = "the scores of {!r} for {:,} of {:,} rows of period {}"
        found = [scores.format(model, rows, result.rows, result.period) for model, rows in result.diverged.items()]
        stop_if(found, self.phase, self.device)

    def full_precision(self) -> torch.autocast:
        """A context in which ``trainer.precision`` does not count: scores and generated parameters are float32."""
        return torch.autocast(self.device.type, enabled=False)

    # ---- what has appeared by now

    def stand_at(self, period: int) -> None:
        """Let all models know which of their rows have appeared by the end of a period; nothing depends on others."""
        if period != self._stands_at:
            self._stands_at = period
            # The epochs of pre-training are compared on the next period.
            known = self._rows_by(period + (period == self.pretrain_periods))
            for _, model in models_in(self):
                model.known = known

    def _rows_by(self, period: int) -> dict[str, int]:
        """How many rows of each table at hand have appeared by the end of a period."""
        sizes = self.trainer.datamodule.sizes_by(period)  # type: ignore[attr-defined]
        if not self._sizes.categories:
            sizes = sizes._replace(categories=0)
        rows, owners = table_rows(self._build, sizes), self.recommender.owners
        return {name: owners[name].held(count) if name in owners else count for name, count in rows.items()}

    def _appearing(self, period: int) -> dict[str, tuple[int, int]]:
        before, now = self._rows_by(period - 1) if period > 1 else {}, self._rows_by(period)
        return {name: (before.get(name, 0), count) for name, count in now.items()}

    def _known_before(self, period: int) -> tuple[int, int]:
        return self.trainer.datamodule.known_before(period)  # type: ignore[attr-defined]

    # ---- Lightning's hooks

    def train(self, mode: bool = True) -> Self:
        """Put what is trained into training mode; what only teaches, serves or remembers stays in evaluation mode."""
        super().train(mode)
        for part in self.children():
            if not any(parameter.requires_grad for parameter in part.parameters()):
                part.eval()
        return self

    def setup(self, stage: str) -> None:
        """Go without categories if pre-training has seen none, as a walk would that ends before the first of them."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if data.sizes.categories and not self._sizes.categories:
            data.categories = False
            rank_zero_only(print)(
                f"the first categories appear after the {self.pretrain_periods} periods that pre-train: the walk goes "
                "without any. To use them, raise model.pretrain_periods"
            )

    def configure_model(self) -> None:
        """Share the tables out among ranks, if that is the strategy.

        Raises:
            ConfigError: if the method needs whole tables.
        """
        strategy = self.trainer.strategy
        if isinstance(strategy, ShardedTables) and not self.recommender.owners:
            if self.needs_whole_tables:
                raise ConfigError(
                    f"{type(self).__name__} does not work with sharded tables: {self.needs_whole_tables}. Choose "
                    "another method, or trainer.strategy ddp"
                )
            if self.gradient_clip is not None:
                raise ConfigError("model.gradient_clip does not work with sharded tables: leave it out")
            strategy.share_out(self, self.recommender)

    def on_fit_start(self) -> None:
        """Begin with the pre-trained model, if one is given; a resumed walk has begun already."""
        if self.pretrained_model and self.trainer.ckpt_path is None:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            path = Path(self.pretrained_model)
            checkpoint = self.trainer.strategy.load_checkpoint(path, weights_only=True)
            optimizer = self.trainer.optimizers[0]
            load_pretrained(path, checkpoint, self, optimizer, data)
            self._begin_updates()

    def on_train_epoch_start(self) -> None:
        """Begin the phase; what is random in it depends on its key and the process alone, so it can begin again."""
        assert self.phase is not None
        seed = self.trainer.datamodule.seed  # type: ignore[attr-defined]
        torch.manual_seed(seed_of(seed, "phase", *self.phase.key, self.trainer.global_rank))
        self.phase.begin()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Hand the mini-batch, or a part of it, to the running phase."""
        assert self.phase is not None
        self._parts = self.trainer.datamodule.accumulate if self.phase.trains else 1  # type: ignore[attr-defined]
        self._mini_batch, self._part = divmod(batch_idx, self._parts)
        with torch.set_grad_enabled(self.phase.trains):
            self.phase.step(batch)

    def on_validation_start(self) -> None:
        """Stand where training has ended."""
        self._evaluated = self.trainer.datamodule.seen  # type: ignore[attr-defined]

    def validation_step(self, batch: tuple[int, Batch], batch_idx: int) -> None:
        """Score a mini-batch of one of the evaluated periods, given with the period's number."""
        period, rows = batch
        for following in range(self._evaluated + 1, period + 1):
            self.welcome(self._appearing(following))
            self._evaluated = following
        self.stand_at(period)
        self._score(rows, period)

    def begin_as(self, checkpoint: Mapping[str, Any], growth: Mapping[str, tuple[int, int]]) -> None:
        """Take a checkpoint's initial numbers over, from which the rows come that its tables lack."""
        draw = Draw(**checkpoint["initial"]) if "initial" in checkpoint else self.initial_draw
        if draw != self.initial_draw and any(saved != now for saved, now in growth.values()):
            self.redraw(draw)
        self.initial_draw = draw

    def on_validation_epoch_end(self) -> None:
        """Collect the results of the evaluated periods; log their means over those that are prequential."""
        self.evaluation = {}
        seen = self.trainer.datamodule.seen  # type: ignore[attr-defined]
        for period in self._scoreboard.periods():
            split = "seen" if period <= seen else self.split_of(period)
            self.evaluation[period] = self._scoreboard.take(period, split)
        counted = [result for result in self.evaluation.values() if result.split not in NOT_COUNTED]
        self.log_dict(mean_over(counted), sync_dist=True)

    on_test_start = on_validation_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam on the base model, dense or row by row on its tables."""
        rate = self.pretrain_learning_rate if self.pretrain_periods else self.learning_rate
        return [(RowAdam if self.recommender.row_wise else Adam)(self.recommender.parameters(), lr=rate)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the results so far, what was learned, and the best pre-training epoch so far."""
        checkpoint["results"] = {period: vars(result) for period, result in self.results.items()}
        checkpoint["learned"] = self.learned
        checkpoint["best_pretraining_epoch"] = self._best
        checkpoint["initial"] = {"seed": self.initial_draw.seed, "known": dict(self.initial_draw.known)}
        checkpoint["method"] = type(self).__qualname__

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back; extend tables and moments if the stream has new users, items or categories.

        Raises:
            CheckpointError: if the checkpoint belongs to another configuration.
        """
        self.results = {period: PeriodResult(**result) for period, result in checkpoint["results"].items()}
        self.learned = checkpoint["learned"]
        self._best = checkpoint["best_pretraining_epoch"]
        for path, history in histories_in(self):
            snapshots = checkpoint["state_dict"].get(f"{path}dense")
            if history.grows and snapshots is not None:
                history.resize(len(snapshots))
        fresh = self.recommender.state_dict()
        saved = {k.removeprefix("recommender."): v for k, v in checkpoint["state_dict"].items()}
        growth = table_growth(saved, fresh)
        self.begin_as(checkpoint, growth)
        grow_state(checkpoint["state_dict"], self.state_dict(), growth)
        try:
            check_infinite(checkpoint["state_dict"], self.state_dict())
        except Flaw as flaw:
            raise CheckpointError(f"{self.trainer.ckpt_path} cannot be used: {flaw}: give an earlier one") from flaw
        for optimizer in checkpoint["optimizer_states"][:1]:
            grow_moments(optimizer, self.recommender, growth)
        if self._best:
            grow_state(self._best["weights"], fresh, growth)
            grow_moments(self._best["optimizer"], self.recommender, growth)
        if (method := checkpoint["method"]) != type(self).__qualname__:
            raise CheckpointError(
                f"the checkpoint is one of {method}, not of {type(self).__qualname__}: resume with the updater and "
                "recommender that wrote the checkpoint"
            )


def _require_room(recommender: Recommender) -> None:
    size = size_of(recommender)
    require({"recommender": size, "moments": 2 * size})
