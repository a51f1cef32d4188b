"""Updaters: how a recommender is kept fresh while a stream goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from asmg_pl.checkpoints.former_names import rename_tables
from asmg_pl.checkpoints.values import Flaw
from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import CheckpointError
from asmg_pl.generators.learned import Learned
from asmg_pl.metrics.by_period import later
from asmg_pl.metrics.results import NOT_COUNTED, PeriodResult, mean_over
from asmg_pl.metrics.top_k import TopK
from asmg_pl.recommenders import Recommender
from asmg_pl.serving.headed import Headed
from asmg_pl.updaters.checks import check_at_least
from asmg_pl.updaters.guarding.guard import Choice
from asmg_pl.updaters.guarding.head import Head, PrequentialHead, read_by_head
from asmg_pl.updaters.loading import check_method, fit_to_stream
from asmg_pl.updaters.rows import tenancy
from asmg_pl.updaters.rows.arrivals import Arrivals
from asmg_pl.updaters.rows.new_rows import NewRows
from asmg_pl.updaters.scoring import Scoring, diverged, warn_if_constant
from asmg_pl.updaters.top_k.ranking import PeriodRanking, Ranked
from asmg_pl.updaters.walking.finite import made, stop_if, trained, unsound
from asmg_pl.updaters.walking.phase import Phase, nothing


class Updater(Arrivals):
    """Pre-trains a recommender on the first periods, then says what happens when a period arrives.

    A subclass defines ``phases``, the passes that follow the arrival of period ``t``, the first of them
    ``self.scoring(t)``. Each further :class:`~asmg_pl.updaters.walking.phase.Phase` names the rows that it
    reads and the method that it calls with each mini-batch. If the model that serves is not ``self.recommender``
    itself, the subclass overrides :meth:`scored_models` too. Parameters and buffers are saved and resumed; other state
    goes into ``on_save_checkpoint`` and ``on_load_checkpoint``.

    Attributes:
        results: what the walk has scored so far, by period.
        evaluation: what the latest ``validate`` or ``test`` has scored, by period.
        learned: what a method's generator has learned, by period, see :mod:`asmg_pl.generators.learned`.
        phase: the phase that is running or has just ended.

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

    def __init__(
        self,
        sizes: Sizes,
        test_from: int = 25,
        new_rows: NewRows | None = None,
        head: PrequentialHead | None = None,
        top_k: TopK | None = None,
        **base: Any,
    ) -> None:
        """Build the base model.

        Args:
            sizes: ``data.sizes``, the numbers of users, items and categories; the command line takes them from the
                data.
            test_from: the first period whose score counts as a test; earlier ones warm the method up.
            new_rows: where a table's row starts when it appears, as ``MeanOfTable``; at random numbers by default. If
                users and items come and go, it appears when one gets it, and starts as the shared row by default.
            head: learns from the scores of earlier periods how to correct those of the next one; none by default.
            top_k: scores lists of the best items too, for the users of a period's positive rows; by default nothing
                does.
            base: arguments of :class:`~asmg_pl.updaters.training.BaseTraining`.
        """
        super().__init__(sizes, **base)
        check_at_least(1, test_from=test_from)
        self.test_from = test_from
        self.new_rows = new_rows
        self.head = None if head is None else Head(head)
        self.top_k = top_k
        self._ranking: PeriodRanking | None = None
        self.results = {}
        self.evaluation: dict[int, PeriodResult] = {}
        self.learned: dict[int, Learned] = {}
        self._scoring = Scoring(self._known_before, self.pretrain_periods, test_from)

    # ---- what a subclass defines

    @property
    def own_results(self) -> Mapping[int, PeriodResult]:
        """The results of the models at hand: while settings race, each of them has its own."""
        return self.race.own_results(self.results)

    def scored_models(self) -> Mapping[str, Recommender]:
        """The models scored on each new period; ``"serving"`` is the one that answers requests."""
        return {"serving": self.recommender}

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
            ranked = self._rank(period) if self.race.leads(period) else None  # before the head learns from the rows
            result = self.annotated(_with(self._scoring.result(period, self.head), ranked))
            warn_if_constant(result, self.own_results.get(period - 1))
            self.race.note(self, result)
            self._stop_if_diverged(result)
            self._admit(period)
            end()

        return Phase(
            Reading("score", period, (period,), training=False),
            on_batch=partial(self.score, period),
            end=record,
            begin=partial(self._begin_scoring, period),
        )

    def score(self, period: int, batch: Batch) -> None:
        """Score a mini-batch of a period with all models that are scored."""
        self._scoring.score(period, self.logits, batch)

    def logits(self, batch: Batch) -> Mapping[str, Tensor]:
        """The logits [B] that each scored model gives a mini-batch; with a head, ``"serving"`` are the head's."""
        found = {name: model(batch) for name, model in self.scored_models().items()}
        return found if self.head is None else self.head.beside(found, batch)

    def ranked_models(self) -> Mapping[str, nn.Module]:
        """The models that rank items, by the names that they are scored under."""
        models = self.scored_models()
        return models if self.head is None else {**read_by_head(models), "serving": self.served_model()}

    def served_model(self) -> nn.Module:
        """The model that answers requests, with its head if it has one; its logits are those of ``"serving"``."""
        models = self.scored_models()
        return models["serving"] if self.head is None else Headed(read_by_head(models), self.head.numbers)

    def notes(self) -> list[str]:
        """What a method has to say when a walk begins, line by line; nothing, unless a method says otherwise."""
        return []

    def choice(self) -> Choice | None:
        """What serves next, and why, where a method has a choice; ``None`` where it has none."""
        return None

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
                self.recommender.catch_up()
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

    def _rank(self, period: int) -> Ranked | None:
        """Rank the cases of a period, if the walk ranks at all."""
        if self._ranking is None:
            return None
        alone = (0, 1) if self.recommender.owners else (self.trainer.global_rank, self.trainer.world_size)
        with self.full_precision():
            return self._ranking.rank(period, self.ranked_models(), self.device, alone)

    def _stop_if_diverged(self, result: PeriodResult) -> None:
        assert self.phase is not None
        stop_if(diverged(result), self.phase, self.device)

    def _known_before(self, period: int) -> tuple[int, int]:
        return self.data.known_before(period)

    # ---- Lightning's hooks

    def setup(self, stage: str) -> None:
        """Go without categories if pre-training has seen none; later ones must not change what came before."""
        super().setup(stage)
        self.appeared.leave_out_categories(self.data, self.pretrain_periods)
        tenancy.check(self.recommender, self.data)
        if self.top_k is not None:
            self._ranking = PeriodRanking(self.top_k, self.data)
            self._ranking.check(self.ranked_models())

    def on_validation_epoch_end(self) -> None:
        """Collect the results of the evaluated periods; log their means, over the prequential periods alone."""
        found = self._scoring.evaluation(self.place.trained_until)
        self.evaluation = {}
        for period, result in found.items():
            self.stand_at(period)
            self.evaluation[period] = self.annotated(_with(result, self._rank(period)))
        counted = [result for result in self.evaluation.values() if result.split not in NOT_COUNTED]
        self.log_dict(mean_over(counted), sync_dist=True)

    on_test_epoch_end = on_validation_epoch_end

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the results so far, what was learned, and the best pre-training epoch so far.

        Results that are in files of their own are left out, see :mod:`asmg_pl.checkpoints.archive`.
        """
        filed = checkpoint.get("filed", {}).get("until", 0)
        checkpoint["results"] = {period: vars(result) for period, result in later(self.results, filed).items()}
        checkpoint["learned"] = later(self.learned, filed)
        checkpoint["best_pretraining_epoch"] = self.pretraining.best
        checkpoint["initial"] = {"seed": self.initial_draw.seed, "known": dict(self.initial_draw.known)}
        checkpoint["method"] = type(self).__qualname__
        checkpoint["self_tuning"] = self.race.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back; extend tables and moments if the stream has new users, items or categories.

        Raises:
            CheckpointError: if the checkpoint belongs to another configuration.
        """
        rename_tables(checkpoint, self.recommender.tables)
        self.results = {period: PeriodResult(**result) for period, result in checkpoint["results"].items()}
        self.learned = checkpoint["learned"]
        self.pretraining.best = checkpoint["best_pretraining_epoch"]
        try:
            self.race.load_state_dict(self, checkpoint.get("self_tuning"))
            fit_to_stream(checkpoint, self, self.recommender, self.pretraining, self.begin_as)
        except Flaw as flaw:
            raise CheckpointError(f"{self.trainer.ckpt_path} cannot be used: {flaw}: give an earlier one") from flaw
        check_method(checkpoint["method"], type(self).__qualname__)


def _with(result: PeriodResult, ranked: Ranked | None) -> PeriodResult:
    """A period's result with the metrics of its lists, if there are any."""
    return result if ranked is None else ranked.added_to(result)
