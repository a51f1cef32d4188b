"""ASMG: a generator, learned along the stream, turns the sequence of incremental models into the serving model.

    D_t arrives ─▶ score     Θ_{t-1}, Θ*_{t-1} and blends of both on D_t; the guard's choice among them serves
                ─▶ generate  ω on {Θ*_i → D_{i+1}}, i = t-k..t-1, one mini-batch of each of the k periods per step
                ─▶ update    Θ_{t-1} → Θ_t on D_t;  push Θ_t, make Θ*_t

The window of k snapshots slides along the stream, or (GRUfull) grows with it from the first incremental period.

Source: Peng et al., "Learning an Adaptive Meta Model-Generator for Incrementally Updating Recommender Systems",
RecSys 2021. Only the rows that a step's mini-batches touch are generated: rows are independent of each other, and
the others influence neither the loss nor ω's gradient.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.generators import Generator, ParameterShapes, ResidualGRU
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.generators.learned import learned_quantities
from asmg_pl.randomness.keyed import seeded
from asmg_pl.recommenders.touched import asked_rows, read_after, touched_rows
from asmg_pl.updaters.checks import check_at_least
from asmg_pl.updaters.generating import Generating
from asmg_pl.updaters.memory import bytes_of_step, require, size_of
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.optim.generator_adam import GeneratorAdam, check_generator_adam
from asmg_pl.updaters.positions import PositionWeights, position_weights
from asmg_pl.updaters.restart import Restart
from asmg_pl.updaters.rows.counting import count, settle
from asmg_pl.updaters.walking.finite import trained
from asmg_pl.updaters.walking.phase import Phase, nothing

log = logging.getLogger(__name__)


class ASMG(Generating):
    """Serves Θ*_t = M_ω(Θ_{t-k+1}, …, Θ_t); the base sequence Θ_t is that of the plain incremental update.

    The base model serves until there are k snapshots and the generator has been trained once. Without a fixed window
    one snapshot is enough: the generator is first trained when the second period after pre-training arrives.

    Snapshots and state take k + H numbers of memory for each parameter, beside the base and the serving model. Without
    a fixed window k grows by one each period. The cost of a step grows faster, since a step generates the rows that k
    mini-batches touch, from k snapshots.

    Attributes:
        position_weights: λ, float [k].

    Examples:
        >>> method = ASMG(Sizes(users=9, items=9), window=3, pretrain_periods=10)
        >>> [phase.name for phase in method.phases(13)]
        ['score', 'update']
        >>> [phase.name for phase in method.phases(14)]  # three snapshots are there
        ['score', 'generate', 'update']
        >>> list(method.scored_models())
        ['incremental', 'serving']
    """

    def __init__(
        self,
        sizes: Sizes,
        generator: Callable[[ParameterShapes], Generator] = ResidualGRU,
        window: int | None = 3,
        weights: PositionWeights = "linear",
        generator_learning_rate: float = 1e-2,
        generator_rate_decay: float = 1.0,
        generator_weight_decay: float = 0.0,
        generator_passes: int = 1,
        zero_state: bool = False,
        stop_at_test: bool = False,
        chunk_rows: int = 65536,
        compile_generator: bool | None = None,
        bfloat16_state: bool = False,
        **base: Any,
    ) -> None:
        """Build base model, history and generator.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            generator: class of the meta generator M_ω, called with the parameter shapes.
            window: snapshots that the generator sees, k; ``null`` shows it all of them from the first incremental
                period on, each time from state 0 (GRUfull).
            weights: λ, how the losses of the window's positions are weighted, from oldest to newest. With ``last`` only
                the newest period is read (GRUsingle); the other kinds train all positions at once.
            generator_learning_rate: of the generator's Adam, whose moments are carried from period to period.
            generator_rate_decay: by what the generator's learning rate is multiplied when a period arrives, after the
                first one that trains it; 1 keeps it.
            generator_weight_decay: the share of a step's learning rate by which the step draws a generator that starts
                as the identity back to it, as in AdamW; 0 for none.
            generator_passes: how often the generator goes over its periods when a new one arrives.
            zero_state: whether every window starts from state 0 (GRUzero) rather than from the one carried over; a
                window of all snapshots always does, since no state comes before them.
            stop_at_test: whether the generator's training ends before the first test period arrives; it goes on
                generating the serving models.
            chunk_rows: table rows that are generated at a time when the serving model is made; changes memory only.
            compile_generator: whether the generator's cells run in one compiled kernel, equal up to rounding: in C++ on
                the CPU, by ``torch.compile`` on a GPU. By default, wherever there is a compiler. It is compiled when
                first used on a machine, in seconds on the CPU and a minute or two on a GPU.
            bfloat16_state: whether the state of tables' rows is kept in bfloat16, which halves its memory.
            base: arguments of :class:`~asmg_pl.updaters.guarding.guarded.Guarded` and
                :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        check_at_least(1, generator_passes=generator_passes, chunk_rows=chunk_rows)
        if window is not None and window < 1:
            raise ConfigError(f"model.window must be at least 1, or null for all snapshots, got {window}")
        first_training = self.pretrain_periods + (window or 1) + 1
        if stop_at_test and self.split_of(first_training) == "test":
            raise ConfigError(
                f"model.stop_at_test ends the generator's training before it begins, in period {first_training}: raise "
                "model.test_from above it, or lower model.window or model.pretrain_periods"
            )
        self.window = window
        self.weights = weights
        self.generator_passes = generator_passes
        self.zero_state = zero_state or window is None
        self.stop_at_test = stop_at_test
        self.chunk_rows = chunk_rows
        self.compile_generator = compile_generator
        with seeded(self.initial_draw.seed, "generator"):
            self.generator = generator(ParameterHistory.shapes_of(self.recommender, window))
        self.generator_rates = generator_learning_rate, generator_rate_decay, generator_weight_decay
        check_generator_adam(self.generator, *self.generator_rates)
        size = size_of(self.recommender)
        state_dtype = torch.bfloat16 if bfloat16_state else torch.float32
        states = 0 if self.zero_state else size * self.generator.hidden_size // (2 if bfloat16_state else 1)
        snapshots = size * (window or 1)
        require({"recommender": size, "generated": size, "history": snapshots, "hidden": states, "moments": 2 * size})
        self.history = ParameterHistory(
            self.recommender,
            window,
            self.generator.hidden_size,
            state_dtype,
            self.generator.counts_updates,
            keeps_state=not self.zero_state,
        )
        self.why_plain = "model.compile_generator is false" if compile_generator is False else ""
        self._restart = Restart(self.generator, self.history)
        self.register_buffer("trained", torch.zeros((), dtype=torch.bool))
        self.position_weights: Tensor
        self.register_buffer("position_weights", position_weights(weights, self.history.window), persistent=False)

    def phases(self, period: int) -> list[Phase]:
        """Score, generate as soon as the window is full, update."""
        snapshots = period - self.pretrain_periods - 1
        window = self.window or snapshots
        if not 1 <= window <= snapshots:
            return [self.scoring(period), *self.updating(period, end=self.push)]
        carry = nothing if self.zero_state else self.carry_state
        if self.stop_at_test and self.split_of(period) == "test":  # ω stays as it is, and the window moves on
            return [self.scoring(period, end=carry), *self.updating(period, end=self.push)]
        positions = 1 if self.weights == "last" else window
        read = tuple(range(period - positions + 1, period + 1))
        last = self.generator_passes - 1
        generating = [
            Phase(
                Reading("generate", period, read, n, side_by_side=True),
                self.train_generator,
                end=carry if n == last else nothing,
                begin=partial(self.begin_training, snapshots - window),
            )
            for n in range(self.generator_passes)
        ]
        return [self.scoring(period), *generating, *self.updating(period, end=self.push)]

    def settled_from(self) -> int:
        """The first period that a trained generator serves."""
        return self.pretrain_periods + (self.window or 1) + 2

    def bytes_of_step(self, rows: int) -> int:
        """See :meth:`~asmg_pl.updaters.training.BaseTraining.bytes_of_step`: a generator step reads k mini-batches."""
        window = self.window or 1  # one that grows has no largest size
        return bytes_of_step(self.recommender, rows * window, window)

    # ---- the generator's training

    def generated_logits(self, batches: tuple[Batch, ...]) -> list[Tensor]:
        """Logits of the models generated at the window's last positions, each on its mini-batch."""
        asked = [self.recommender.requests(batch) for batch in batches]
        first = self.history.window - len(batches)
        tables, places = {}, {}
        on_cpu = self.device.type == "cpu"  # where a kernel goes over rows one after the other, and leaves some out
        find = touched_rows if on_cpu or not self.generator.repeats_rows else asked_rows
        with self.full_precision():
            for name in self.recommender.tables:
                touched, places[name] = find([r[name].rows for r in asked], self.recommender.rows_known(name))
                read = read_after(places[name], len(touched), self.history.window) if on_cpu else None
                stored = self.history.stored(name, touched, read)
                generated = self.generator.generate_stored(name, stored)  # [k, n, D]
                tables[name] = generated[first:].unbind(0)  # whose backward is one stack
            dense = self.generator.generate_stored_dense(self.history.stored_dense())  # [k, P]
        logits = []
        for i, batch in enumerate(batches):
            lookups = {name: asked[i][name].answer(tables[name][i], places[name][i]) for name in tables}
            parameters = self.history.split_dense(dense[first + i])
            logits.append(self.recommender.score_with(parameters, batch, lookups))
        return logits

    def begin_training(self, period: int) -> None:
        """Set the generator's learning rate for a period, numbered from 0, the first that trains it."""
        if isinstance(optimizer := self.trainer.optimizers[1], GeneratorAdam):  # a subclass may have another one
            optimizer.begin(period)

    def train_generator(self, batches: tuple[Batch, ...]) -> None:
        """Take one step of ω."""
        self.step_optimizer(1, self.generator_loss(batches))
        self.trained.fill_(True)

    def generator_loss(self, batches: tuple[Batch, ...]) -> Tensor:
        """Σ_i λ_i L(Θ*_i | D_{i+1})."""
        if len(self.position_weights) != self.history.window:  # it has grown
            self.position_weights = position_weights(self.weights, self.history.window).to(self.device)
        read = [i for i, batch in enumerate(batches) if batch.total]  # a short period may have no row left
        batches = self.ranked_by_period(batches)
        logits, weights = self.generated_logits(batches), self.position_weights[-len(batches) :]
        losses = [self.objective.loss(logits[i], batches[i]) for i in read]
        if len(read) < len(batches):
            weights = torch.stack([weights[i] for i in read])  # a list as an index would wait for the device
        return torch.stack(losses) @ weights

    def ranked_by_period(self, batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
        """Each period's mini-batch with candidates among the items known by then, see :meth:`ranked`."""
        if not self.objective.asks:
            return batches
        assert self.phase is not None
        periods = self.phase.reading.periods
        return tuple(self.ranked(*each) for each in zip(batches, periods, strict=True))

    # ---- the generated model

    def push(self) -> None:
        """Add Θ_t to the history and make Θ*_t; note what the generator has learned."""
        self.history.push(self.recommender)
        self.make_generated()
        if self.guard is not None and self.trained:
            self._begin_anew_if(self._restart.flaw_generated(self.recommender, self.generated))
        period = self.pretrain_periods + self.history.pushes
        if self.trained and self.race.leads(period):
            self.learned[period] = learned_quantities(self.generator, self.history, self.recommender, self.generated)

    # ---- the updates; a generator that breaks down

    def update(self, batch: Batch) -> None:
        """Take one step of the base model; count the rows, and keep some to try the generated model on, as needed."""
        super().update(batch)
        if self.history.counts:
            count(self.history.counts, self.recommender, self.ranked(batch))
        if self.guard is not None:
            self._restart.see(batch)

    def end(self, phase: Phase) -> None:
        """Add up counts; with a guard, a generator that has diverged begins anew instead of stopping the walk."""
        if self.history.counts:
            settle(self.history.counts, self.recommender)
        if self.guard is not None and phase.name == "generate":
            found = trained(self, self.trainer.optimizers[1:])
            self._begin_anew_if(self._restart.flaw_trained(self.stepping.watch.take(), found))
        super().end(phase)

    def _begin_anew_if(self, flaw: str) -> None:
        if flaw:
            optimizer = self.trainer.optimizers[1]
            assert isinstance(optimizer, Adam)
            self._restart.begin_anew(optimizer, flaw)
            self.trained.fill_(False)
            self.generated.load_state_dict(self.recommender.state_dict())

    # ---- Lightning's hooks

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The base model's Adam and the generator's."""
        return [*super().configure_optimizers(), GeneratorAdam(self.generator, *self.generator_rates)]
