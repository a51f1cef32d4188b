"""The base model's part of an updater: how it is built, pre-trained and updated, and with which settings.

pre-training     epochs on the first periods together           rate: ``pretrain_learning_rate``
updates          passes over each new period                    rate, batch size and passes: given, or found by a race
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.checkpoints.former_names import rename_tables
from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import EmbeddingMLP, Recommender
from asmg_pl.updaters.checks import check_at_least, check_positive
from asmg_pl.updaters.memory import bytes_of_step, check_gpu
from asmg_pl.updaters.objectives import BinaryCrossEntropy, Objective, Step
from asmg_pl.updaters.optim.rates import Rates
from asmg_pl.updaters.optim.table_optimizers import TableOptimizer, optimizer_of
from asmg_pl.updaters.pretraining import Pretraining
from asmg_pl.updaters.rows import moments
from asmg_pl.updaters.rows.appeared import Appeared
from asmg_pl.updaters.rows.initial import Draw, known_sizes, table_rows
from asmg_pl.updaters.sharing import share_out
from asmg_pl.updaters.tuning.race import Race
from asmg_pl.updaters.tuning.self_tuning import FIXED, SelfTuning
from asmg_pl.updaters.tuning.tunable import Tunable
from asmg_pl.updaters.walking.phase import Phase, nothing
from asmg_pl.updaters.walking.stepping import Stepping


class BaseTraining(Tunable):
    """Trains the base model Θ. :class:`~asmg_pl.updaters.Updater` adds scores, and what a method makes of Θ.

    Attributes:
        recommender: the base model Θ.
        initial_draw: what the models started from.
        appeared: which rows of the tables have appeared.
        pretraining: the epochs of pre-training, see :mod:`asmg_pl.updaters.pretraining`.
        race: the settings of the base model that race, see :mod:`asmg_pl.updaters.tuning.race`.
        stepping: takes the optimisers' steps, see :mod:`asmg_pl.updaters.walking.stepping`.
        learns: whether the method updates the base model after pre-training.
        reads_whole_tables: whether each step reads all rows, so that no row can wait for its steps.
        objective: what the base model is trained on, see :mod:`asmg_pl.updaters.objectives`.
        needs_labels: why the method works with each row's own label and logit alone.
        needs_whole_tables: why the method does not work with tables of which a rank holds some rows only.

    Examples:
        >>> from asmg_pl.updaters import IncrementalUpdate
        >>> method = IncrementalUpdate(Sizes(users=9, items=9), learning_rate=3e-3, passes=2)
        >>> [(phase.name, phase.repeat) for phase in method.updating(12)]
        [('update', 0), ('update', 1)]
    """

    learns: bool = True
    reads_whole_tables: bool = False
    needs_labels: str | None = None
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
        pretrained_model: str | None = None,
        row_wise: bool = False,
        gradient_clip: float | None = None,
        table_learning_rate: float | None = None,
        table_optimizer: TableOptimizer | None = None,
        lazy_tables: bool | None = None,
        batch_size: int | None = None,
        self_tuning: SelfTuning | None = None,
        objective: Objective | None = None,
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
            pretrained_model: a checkpoint made just after pre-training on the same periods, by whatever method. Its
                base model, with its moments, is where this walk begins, so that many walks share one pre-training.
            row_wise: whether a step of the base model changes only the table rows that its mini-batch touches, in time
                that does not grow with the tables. By default the others move too, by their moments, as in the paper.
            gradient_clip: the largest norm of a step's gradient, over all parameters that the step moves. A longer
                gradient is shortened to it. By default there is no limit.
            table_learning_rate: of tables, in pre-training too; by default the rate of dense parameters.
            table_optimizer: the rule by which tables take their steps, as ``Adagrad``; Adam by default.
            lazy_tables: whether Adam moves a table's rows when they are next read, so that a step takes time in
                proportion to the rows that its mini-batch touches. The numbers are the same up to rounding. By default,
                on the CPU, for tables of at least 16,384 rows, and of a row for each id that a mini-batch asks for.
            batch_size: rows of a mini-batch that trains the base model; by default ``data.batch_size``, or what
                ``self_tuning`` finds.
            self_tuning: finds learning rate, batch size and passes along the stream, as far as they are not given. By
                default nothing does.
            objective: what the base model is trained on, in pre-training too, and a generator with it; by default the
                cross-entropy of the labels. ``FullSoftmax``, ``SampledSoftmax`` and ``InBatchSoftmax`` rank the items
                of positive rows among others, ``FurtherLabels`` adds further labels.
        """
        super().__init__()
        given = {"passes": passes, "batch_size": batch_size}
        check_at_least(1, **{name: number for name, number in given.items() if number is not None})
        check_at_least(0, pretrain_periods=pretrain_periods)
        check_at_least(1 if pretrain_periods else 0, pretrain_epochs=pretrain_epochs)
        check_positive(learning_rate=learning_rate, pretrain_learning_rate=pretrain_learning_rate)
        check_positive(gradient_clip=gradient_clip, table_learning_rate=table_learning_rate)
        if gradient_clip is not None and row_wise:
            raise ConfigError("model.gradient_clip does not work with model.row_wise: leave one of them out")
        self.table_learning_rate, self.table_optimizer = table_learning_rate, table_optimizer
        tuning = self_tuning if self_tuning and self.learns else FIXED
        self.race = Race(tuning.settings(learning_rate, batch_size, passes), tuning)
        self.learning_rate, self.batch_size, self.passes = self.race.settings[0]
        self.pretrain_periods = pretrain_periods
        self.pretrain_learning_rate = pretrain_learning_rate or self.learning_rate
        known = known_sizes(sizes, pretrain_periods)
        sizes = sizes._replace(categories=sizes.categories if known.categories else 0, past=None)
        self.initial_draw = Draw(torch.initial_seed(), table_rows(recommender, known))
        self.recommender = self.initial_draw.build_with_room(recommender, sizes, known)
        self.recommender.row_wise = row_wise
        self.objective = objective or BinaryCrossEntropy()
        self.objective.check(self.recommender)
        if self.objective.asks and self.needs_labels:
            raise ConfigError(
                f"{type(self).__name__} does not work with {type(self.objective).__name__}: {self.needs_labels}. Leave "
                "model.objective out, or choose another method, such as ASMG or IncrementalUpdate"
            )
        self.lazy_tables = False if self.reads_whole_tables else lazy_tables
        self.appeared = Appeared(self.recommender, recommender, sizes)
        self.pretraining = Pretraining(self.recommender, pretrain_periods, pretrain_epochs, pretrained_model)
        self.stepping = Stepping(self.recommender, gradient_clip)

    def pretrained(self) -> None:
        """Called once, when Θ_0 is ready."""

    def redraw(self, draw: Draw) -> None:
        """Draw the tables of all models and snapshots anew, as another walk has drawn them."""
        self.initial_draw = draw
        draw.fill_all(self, self.recommender)

    def begin_as(self, checkpoint: Mapping[str, Any], growth: Mapping[str, tuple[int, int]]) -> None:
        """Take over a checkpoint's initial numbers, from which the rows come that its tables lack."""
        draw = Draw(**checkpoint["initial"]) if "initial" in checkpoint else self.initial_draw
        if draw != self.initial_draw and any(saved != now for saved, now in growth.values()):
            self.redraw(draw)
        self.initial_draw = draw

    # ---- pre-training and updates

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
        """The base model's mean cross-entropy, of labels or of items, as the objective says."""
        ranked = self.ranked(batch)
        return self.objective.loss(self.recommender(ranked), ranked)

    def ranked(self, batch: Batch, period: int | None = None) -> Batch:
        """A mini-batch that asks for the logits that the objective reads, such as those of candidates.

        Args:
            batch: rows that the running phase reads.
            period: which of its periods they are from; by default they may be from any of them.
        """
        if not self.objective.asks:
            return batch
        assert self.phase is not None
        reading = self.phase.reading
        periods = reading.periods if period is None else (period,)
        return self.objective.asked(batch, Step(self.data, reading, periods, self.stepping.mini_batch))

    def take_over_pretraining(self, path: Path) -> None:
        """Begin the walk with the base model that an earlier walk has pre-trained, from its checkpoint."""
        checkpoint = self.trainer.strategy.load_checkpoint(path, weights_only=True)
        rename_tables(checkpoint, self.recommender.tables)
        self.pretraining.take_over(checkpoint, self.trainer.optimizers[0], self.data, self.begin_as)
        self._begin_updates()

    def _begin_updates(self) -> None:
        self.set_learning_rate(self.learning_rate)
        self.pretrained()

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the base model's optimiser; tables keep a rate of their own."""
        Rates(rate, self.table_learning_rate).set(self.trainer.optimizers[0], self.recommender)

    # ---- Lightning's hooks

    def named_parameters(self, *args: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters; the rows of the base model's tables are current."""
        if hasattr(self, "recommender"):
            self.recommender.catch_up()
        yield from super().named_parameters(*args, **options)

    def on_train_epoch_start(self) -> None:
        """Scale numbers as the period allows, if the phase trains, and begin it."""
        assert self.phase is not None
        if self.phase.trains:
            moments.scale(self, self.data, self.phase.period)
        super().on_train_epoch_start()

    def configure_model(self) -> None:
        """Share the tables out among ranks, if that is the strategy.

        Raises:
            ConfigError: if the method, or a limit of the gradient, needs whole tables; if a GPU is too small; if the
                objective does not work with micro-batches.
        """
        clips = self.stepping.gradient_clip is not None
        self.objective.check(self.recommender, self.data.accumulate)
        share_out(self, self.recommender, self.trainer.strategy, self.needs_whole_tables, clips, self.initial_draw)
        check_gpu(self, self.bytes_of_step(self.rows_of_step()))

    def rows_of_step(self) -> int:
        """About how many rows of tables a mini-batch on one device asks for, with repetitions."""
        data = self.data
        rows = max(data.batch_size, self.batch_size or 0) // (data.accumulate * self.trainer.world_size)
        return rows * (data.history_size + 2)

    def bytes_of_step(self, rows: int) -> int:
        """Bytes that a step takes while it runs, about.

        Args:
            rows: of tables that a mini-batch asks for.
        """
        return bytes_of_step(self.recommender, rows)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimiser of the base model: Adam, dense or row by row on its tables, or another rule on these."""
        rate = self.pretrain_learning_rate if self.pretrain_periods else self.learning_rate
        rates = Rates(rate, self.table_learning_rate)
        return [optimizer_of(self.recommender, rates, self.table_optimizer, self.lazy_tables)]
