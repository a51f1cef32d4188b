"""Updaters: how a recommender is kept fresh while a stream goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.checkpoints.values import Flaw
from asmg_pl.data.batch import Batch
from asmg_pl.data.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import CheckpointError, ConfigError
from asmg_pl.generators.learned import Learned
from asmg_pl.metrics.results import NOT_COUNTED, PeriodResult, mean_over
from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.updaters.appeared import Appeared
from asmg_pl.updaters.checks import check_at_least, check_positive
from asmg_pl.updaters.finite import made, stop_if, trained, unsound
from asmg_pl.updaters.head import Head, PrequentialHead, read_by_head
from asmg_pl.updaters.headed import Headed
from asmg_pl.updaters.initial import Draw, known_sizes, table_rows
from asmg_pl.updaters.loading import check_method, fit_to_stream
from asmg_pl.updaters.losses import cross_entropy
from asmg_pl.updaters.new_rows import NewRows
from asmg_pl.updaters.phase import Phase, nothing
from asmg_pl.updaters.pretraining import Pretraining
from asmg_pl.updaters.race import Race
from asmg_pl.updaters.rates import Rates
from asmg_pl.updaters.scoring import Scoring, diverged, warn_if_constant
from asmg_pl.updaters.self_tuning import FIXED, SelfTuning
from asmg_pl.updaters.sharing import share_out
from asmg_pl.updaters.stepping import Stepping
from asmg_pl.updaters.table_optimizers import TableOptimizer, optimizer_of
from asmg_pl.updaters.tunable import Tunable


class Updater(Tunable):
    """Pre-trains a recommender on the first periods, then says what happens when a period arrives.

    A subclass defines ``phases``, the passes that follow the arrival of period ``t``, the first of them
    ``self.scoring(t)``. Each further :class:`~asmg_pl.updaters.phase.Phase` names the rows that it reads and the method
    that it calls with each mini-batch. If the model that serves is not ``self.recommender`` itself, the subclass
    overrides :meth:`scored_models` too. Parameters and buffers are saved and resumed; other state goes into
    ``on_save_checkpoint`` and ``on_load_checkpoint``.

    Attributes:
        results: what the walk has scored so far, by period.
        evaluation: what the latest ``validate`` or ``test`` has scored, by period.
        learned: what a method's generator has learned, by period, see :mod:`asmg_pl.generators.learned`.
        phase: the phase that is running or has just ended.
        initial_draw: what the models started from.
        pretraining: the epochs of pre-training, see :mod:`asmg_pl.updaters.pretraining`.
        race: the settings of the base model that race, see :mod:`asmg_pl.updaters.race`.
        stepping: takes the optimisers' steps, see :mod:`asmg_pl.updaters.stepping`.
        learns: whether the method updates the base model after pre-training.
        needs_whole_tables: why the method does not work with tables of which a rank holds some rows only.

    Examples:
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

    learns: bool = True
    needs_whole_tables: str | None = None

    def __init__(
        self,
        sizes: Sizes,
        recommender: Callable[[Sizes], Recommender] = EmbeddingMLP,
        learning_rate: float | None = None,
        passes: int | None = None,
        pretrain_periods: int = 10,
        pretrain_epochs: int = 10,
        pretrain_learning_rate: float | None = None,
        test_from: int = 25,
        pretrained_model: str | None = None,
        row_wise: bool = False,
        gradient_clip: float | None = None,
        table_learning_rate: float | None = None,
        table_optimizer: TableOptimizer | None = None,
        new_rows: NewRows | None = None,
        batch_size: int | None = None,
        self_tuning: SelfTuning | None = None,
        head: PrequentialHead | None = None,
    ) -> None:
        """Build the base model.

        Args:
            sizes: ``data.sizes``, the numbers of users, items and categories; the command line takes them from the
                data. The initial model is drawn for the ones that pre-training sees. If it sees no categories, there is
                no table of categories.
            recommender: class of the base model Θ, called with the sizes.
            learning_rate: of the base model's Adam, whose moments are carried from period to period; 1e-3 by default,
                or what ``self_tuning`` finds.
            passes: how often each new period is gone over; once by default, or as ``self_tuning`` finds.
            pretrain_periods: the first periods, which pre-train the base model together.
            pretrain_epochs: epochs of pre-training. The epoch with the best AUC on the next period is kept, or with the
                best LogLoss, if the next period has rows of one class only.
            pretrain_learning_rate: of the base model's Adam in pre-training; by default ``learning_rate``, or the first
                of the rates that race.
            test_from: the first period whose score counts as a test; earlier ones warm the method up.
            pretrained_model: a checkpoint made just after pre-training on the same periods, by whatever method. Its
                base model, with its moments, is where this walk begins, so that many walks share one pre-training.
            row_wise: whether a step of the base model changes only the table rows that its mini-batch touches, in time
                that does not grow with the tables. By default the others move too, by their moments, as in the paper.
            gradient_clip: the largest norm of a step's gradient, over all parameters that the step moves. A longer
                gradient is shortened to it. By default there is no limit.
            table_learning_rate: of tables, in pre-training too; by default the rate of dense parameters.
            table_optimizer: the rule by which tables take their steps, as ``Adagrad``; Adam by default.
            new_rows: where a table's row starts when it appears, as ``MeanOfTable``; at random numbers by default.
            batch_size: rows of a mini-batch that trains the base model; by default ``data.batch_size``, or what
                ``self_tuning`` finds.
            self_tuning: finds learning rate, batch size and passes along the stream, as far as they are not given. By
                default nothing does.
            head: learns from the scores of earlier periods how to correct those of the next one; none by default.
        """
        super().__init__()
        given = {"passes": passes, "batch_size": batch_size}
        check_at_least(1, test_from=test_from, **{name: n for name, n in given.items() if n is not None})
        check_at_least(0, pretrain_periods=pretrain_periods)
        check_at_least(1 if pretrain_periods else 0, pretrain_epochs=pretrain_epochs)
        check_positive(learning_rate=learning_rate, pretrain_learning_rate=pretrain_learning_rate)
        check_positive(gradient_clip=gradient_clip, table_learning_rate=table_learning_rate)
        if gradient_clip is not None and row_wise:
            raise ConfigError("model.gradient_clip does not work with model.row_wise: leave one of them out")
        self.table_learning_rate, self.table_optimizer, self.new_rows = table_learning_rate, table_optimizer, new_rows
        tuning = self_tuning if self_tuning and self.learns else FIXED
        self.race = Race(tuning.settings(learning_rate, batch_size, passes), tuning)
        self.learning_rate, self.batch_size, self.passes = self.race.settings[0]
        self.pretrain_periods = pretrain_periods
        self.pretrain_learning_rate = pretrain_learning_rate or self.learning_rate
        self.test_from = test_from
        known = known_sizes(sizes, pretrain_periods)
        sizes = sizes._replace(categories=sizes.categories if known.categories else 0, past=None)
        self.initial_draw = Draw(torch.initial_seed(), table_rows(recommender, known))
        self.recommender = self.initial_draw.build_with_room(recommender, sizes, known)
        self.recommender.row_wise = row_wise
        self.pretraining = Pretraining(self.recommender, pretrain_periods, pretrain_epochs, pretrained_model)
        self.stepping = Stepping(self.recommender, gradient_clip)
        self.head = None if head is None else Head(head)
        self.results = {}
        self.evaluation: dict[int, PeriodResult] = {}
        self.learned: dict[int, Learned] = {}
        self._appeared = Appeared(self.recommender, recommender, sizes)
        self._stands_at = 0
        self._scoring = Scoring(self._known_before, pretrain_periods, test_from)

    # ---- what a subclass defines

    @property
    def own_results(self) -> Mapping[int, PeriodResult]:
        """The results of the models at hand: while settings race, each of them has its own."""
        return self.race.own_results(self.results)

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
        """Draw the tables of all models and snapshots anew, as another walk has drawn them."""
        self.initial_draw = draw
        draw.fill_all(self, self.recommender)

    # ---- phases that every updater has

    def plan(self, period: int) -> list[Phase]:
        """The phases of any period; pre-training belongs to the last period that it reads."""
        if period > self.pretrain_periods:
            return self.race.plan(self, period)
        if period < self.pretrain_periods or period == 0:
            return []
        select = partial(self._scoring.score, period + 1, lambda batch: {"serving": self.recommender(batch)})
        return self.pretraining.phases(self.pretrain, select, self._end_epoch, self.batch_size)

    def scoring(self, period: int, end: Callable[[], None] = nothing) -> Phase:
        """The first phase of a period: its rows are scored before anything is trained; ``end`` is called after it.

        The result of models that have diverged is recorded too, before the walk stops.
        """

        def record() -> None:
            result = self.annotated(self._scoring.result(period, self.head))
            warn_if_constant(result, self.own_results.get(period - 1))
            self.race.note(self, result)
            self._stop_if_diverged(result)
            end()

        return Phase(
            Reading("score", period, (period,), training=False),
            on_batch=partial(self.score, period),
            end=record,
            begin=partial(self.welcome_period, period),
        )

    def updating(
        self, period: int, end: Callable[[], None] = nothing, periods: Sequence[int] | None = None
    ) -> list[Phase]:
        """Passes of the base model over the new period, or over some ``periods``; ``end`` follows the last one."""
        last, read = self.passes - 1, (period,) if periods is None else tuple(periods)
        return [
            Phase(
                Reading("update", period, read, n, batch_size=self.batch_size),
                self.update,
                end if n == last else nothing,
            )
            for n in range(self.passes)
        ]

    def pretrain(self, batch: Batch) -> None:
        """Take one step of the base model in pre-training."""
        self.step_optimizer(0, self.cross_entropy(batch))

    def update(self, batch: Batch) -> None:
        """Take one step of the base model on its loss."""
        self.step_optimizer(0, self.loss(batch))

    def loss(self, batch: Batch) -> Tensor:
        """What the base model is trained on after pre-training: the cross-entropy, unless a method says otherwise.

        Processes average their gradients; take a mean over rows as in :mod:`asmg_pl.updaters.losses`.
        """
        return self.cross_entropy(batch)

    def cross_entropy(self, batch: Batch) -> Tensor:
        """The base model's mean cross-entropy of the labels."""
        return cross_entropy(self.recommender(batch), batch.label, batch)

    def score(self, period: int, batch: Batch) -> None:
        """Score a mini-batch of a period with all models that are scored."""
        self._scoring.score(period, self.logits, batch)

    def logits(self, batch: Batch) -> Mapping[str, Tensor]:
        """The logits [B] that each scored model gives a mini-batch; with a head, ``"serving"`` are the head's."""
        found = {name: model(batch) for name, model in self.scored_models().items()}
        return found if self.head is None else self.head.beside(found, batch)

    def served_model(self) -> nn.Module:
        """The model that answers requests, with its head if it has one; its logits are those of ``"serving"``."""
        models = self.scored_models()
        return models["serving"] if self.head is None else Headed(read_by_head(models), self.head)

    def annotated(self, result: PeriodResult) -> PeriodResult:
        """Add to a period's scores what a method has to say about them; nothing, unless a method says otherwise."""
        return result

    def end(self, phase: Phase) -> None:
        """Call a phase's end; look at what was trained before it, and at what it has made after it.

        So nothing that is not finite is pushed, saved, exported or served. All processes stop together.

        Raises:
            DivergedError: naming the period, the phase, and the loss, the gradient, the parameters or the scores that
                are not finite.
        """
        with self.race.turn(self, phase):
            if phase.trains:
                parameters, moments = trained(self, self.trainer.optimizers)
                stop_if(self.stepping.watch.take() + (unsound(parameters) or unsound(moments)), phase, self.device)
            phase.end()
            if phase.trains:
                stop_if(unsound(made(self, self.recommender)), phase, self.device)

    def split_of(self, period: int) -> str:
        """``"selection"``, ``"warm-up"`` or ``"test"``, see :class:`~asmg_pl.metrics.results.PeriodResult`."""
        return self._scoring.split_of(period)

    def _end_epoch(self, epoch: int) -> None:
        result = self._scoring.result(self.pretrain_periods + 1)
        self._stop_if_diverged(result)
        scores, constant = result.scores["serving"], "serving" in result.constant
        if self.pretraining.end_epoch(epoch, scores, self.trainer.optimizers[0], constant):
            self._begin_updates()

    def take_over_pretraining(self, path: Path) -> None:
        """Begin the walk with the base model that an earlier walk has pre-trained, from its checkpoint."""
        checkpoint = self.trainer.strategy.load_checkpoint(path, weights_only=True)
        self.pretraining.take_over(checkpoint, self.trainer.optimizers[0], self.data, self.begin_as)
        self._begin_updates()

    def _begin_updates(self) -> None:
        self.set_learning_rate(self.learning_rate)
        self.pretrained()

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the base model's optimiser; tables keep a rate of their own."""
        Rates(rate, self.table_learning_rate).set(self.trainer.optimizers[0], self.recommender)

    def _stop_if_diverged(self, result: PeriodResult) -> None:
        assert self.phase is not None
        stop_if(diverged(result), self.phase, self.device)

    # ---- what has appeared by now

    def stand_at(self, period: int) -> None:
        """Let all models know which of their rows have appeared by the end of a period; nothing depends on others."""
        if period != self._stands_at:
            self._stands_at = period
            # The epochs of pre-training are compared on the next period.
            self._appeared.tell(self, self.data.sizes_by(period + (period == self.pretrain_periods)))

    def welcome_period(self, period: int) -> None:
        """Welcome the rows that appear with a period."""
        before = self.data.sizes_by(period - 1) if period > 1 else None
        new = self._appeared.between(before, self.data.sizes_by(period))
        if self.new_rows is not None:
            self.new_rows.settle(self, self.recommender, period, new)
        self.welcome(new)

    def _known_before(self, period: int) -> tuple[int, int]:
        return self.data.known_before(period)

    # ---- Lightning's hooks

    def setup(self, stage: str) -> None:
        """Go without categories if pre-training has seen none; later ones must not change what came before."""
        super().setup(stage)
        self._appeared.leave_out_categories(self.data, self.pretrain_periods)

    def configure_model(self) -> None:
        """Share the tables out among ranks, if that is the strategy.

        Raises:
            ConfigError: if the method, or a limit of the gradient, needs whole tables.
        """
        clips = self.stepping.gradient_clip is not None
        share_out(self, self.recommender, self.trainer.strategy, self.needs_whole_tables, clips)

    def on_validation_epoch_end(self) -> None:
        """Collect the results of the evaluated periods; log their means, over the prequential periods alone."""
        found = self._scoring.evaluation(self.place.trained_until)
        self.evaluation = {period: self.annotated(result) for period, result in found.items()}
        counted = [result for result in self.evaluation.values() if result.split not in NOT_COUNTED]
        self.log_dict(mean_over(counted), sync_dist=True)

    on_test_epoch_end = on_validation_epoch_end

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimiser of the base model: Adam, dense or row by row on its tables, or another rule on these."""
        rate = self.pretrain_learning_rate if self.pretrain_periods else self.learning_rate
        return [optimizer_of(self.recommender, Rates(rate, self.table_learning_rate), self.table_optimizer)]

    def begin_as(self, checkpoint: Mapping[str, Any], growth: Mapping[str, tuple[int, int]]) -> None:
        """Take over a checkpoint's initial numbers, from which the rows come that its tables lack."""
        draw = Draw(**checkpoint["initial"]) if "initial" in checkpoint else self.initial_draw
        if draw != self.initial_draw and any(saved != now for saved, now in growth.values()):
            self.redraw(draw)
        self.initial_draw = draw

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the results so far, what was learned, and the best pre-training epoch so far."""
        checkpoint["results"] = {period: vars(result) for period, result in self.results.items()}
        checkpoint["learned"] = self.learned
        checkpoint["best_pretraining_epoch"] = self.pretraining.best
        checkpoint["initial"] = {"seed": self.initial_draw.seed, "known": dict(self.initial_draw.known)}
        checkpoint["method"] = type(self).__qualname__
        checkpoint["self_tuning"] = self.race.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back; extend tables and moments if the stream has new users, items or categories.

        Raises:
            CheckpointError: if the checkpoint belongs to another configuration.
        """
        self.results = {period: PeriodResult(**result) for period, result in checkpoint["results"].items()}
        self.learned = checkpoint["learned"]
        self.pretraining.best = checkpoint["best_pretraining_epoch"]
        try:
            self.race.load_state_dict(self, checkpoint.get("self_tuning"))
            fit_to_stream(checkpoint, self, self.recommender, self.pretraining, self.begin_as)
        except Flaw as flaw:
            raise CheckpointError(f"{self.trainer.ckpt_path} cannot be used: {flaw}: give an earlier one") from flaw
        check_method(checkpoint["method"], type(self).__qualname__)
