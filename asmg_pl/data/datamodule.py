"""The period data module: a stream cut into periods, and where in it a walk stands."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from asmg_pl.data.batch import Share
from asmg_pl.data.feed import Cut, Feed
from asmg_pl.data.loader import ByPeriod, MiniBatches, Shares, SideBySide, WithNegatives, permutation, randomness
from asmg_pl.data.log import InteractionLog, Sizes
from asmg_pl.data.negatives import Fresh, Interactions
from asmg_pl.data.periods import EqualCounts, Periods
from asmg_pl.data.phase import Phase
from asmg_pl.data.sources import Source
from asmg_pl.errors import CheckpointError, ConfigError, DataError


class PeriodDataModule(LightningDataModule):
    """Yields the mini-batches of one phase at a time and keeps the walk's place in its state.

    Attributes:
        period: the period that arrives, or has arrived, at the walk's place.
        step: the position of the next phase among the period's phases.
        seen: the latest period that any training has read; scoring it would no longer be honest.
        phase: the phase whose rows :meth:`train_dataloader` yields; set by the period loop.
        until: the last period to walk, ``None`` for all; set by the period loop.
        categories: whether batches have the items' categories; set by an updater whose model goes without.

    Example:
        >>> from asmg_pl.data.sources import DriftingStream
        >>> stream = DriftingStream(users=20, items=20, rows=1000)
        >>> data = PeriodDataModule(stream, periods=EqualCounts(10), batch_size=64)
        >>> data.sizes.users, data.boundaries[:3], data.rows_of(2)
        (20, [0, 100, 200], range(100, 200))
    """

    def __init__(
        self,
        source: Source,
        root: str | None = None,
        periods: Periods | None = None,
        batch_size: int = 1024,
        scoring_batch_size: int = 8192,
        history_size: int = 30,
        negatives: Fresh | None = None,
        evaluate: list[int] | None = None,
        device_rows: int | None = None,
        accumulate: int = 1,
        seed: int = 1234,
    ) -> None:
        """Describe the stream; files are read when it is first needed.

        Args:
            source: how the raw data become interactions.
            root: folder with the source's raw files.
            periods: how time is cut; 31 equal counts by default.
            batch_size: rows of a mini-batch in training, on all devices together: each takes a share.
            scoring_batch_size: the same in scoring; beyond rounding, it changes speed and memory only.
            history_size: the latest items of a user that a recommender sees.
            negatives: for a stream of positives, how negatives are drawn in each pass; none by default.
            evaluate: periods that ``asmg validate`` and ``asmg test`` score. By default ``validate`` takes the first
                period that the checkpoint's training has not seen, and ``test`` all of them.
            device_rows: on a GPU, the most rows whose columns are put there at once (about 30 bytes each, and 4 for
                each item of their histories); a pass over more rows gathers its mini-batches on the CPU, ahead of time.
                No limit by default.
            accumulate: in how many parts, one after the other, each device goes over its share of a mini-batch in
                training, and then takes one step: memory of a part, and beyond rounding the same numbers.
            seed: shuffling depends on it, the period and the pass alone. The command line sets it to
                ``--seed_everything``.
        """
        super().__init__()
        sizes = {
            **{"batch_size": batch_size, "scoring_batch_size": scoring_batch_size},
            **{"device_rows": device_rows, "accumulate": accumulate},
        }
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ConfigError(f"data.{name} must be at least 1, got {value}")
        if history_size < 0:
            raise ConfigError(f"data.history_size must not be negative, got {history_size}")
        self.source = source
        self.root = root
        self.periods = periods or EqualCounts()
        self.batch_size = batch_size
        self.scoring_batch_size = scoring_batch_size
        self.history_size = history_size
        self.negatives = negatives
        self.evaluate = evaluate
        self.device_rows = device_rows
        self.accumulate = accumulate
        self.seed = seed
        self.period = 0
        self.step = 0
        self.seen = 0
        self.phase: Phase | None = None
        self.until: int | None = None
        self.categories = True
        self._known: list[int] = []  # boundaries of the walk that is resumed, and how many rows the stream had then
        self._known_rows = 0
        self._boundaries: list[int] = []
        self._fingerprints: dict[int, str] = {}

    @cached_property
    def log(self) -> InteractionLog:
        """The stream's interactions, on the CPU."""
        log = self.source.read(None if self.root is None else Path(self.root))
        log.check_history(self.history_size)
        return log

    def setup(self, stage: str) -> None:
        """Check that all processes have opened the stream in the same state: rows may be appended at any time.

        Raises:
            DataError: if this process has other rows than the first one.
        """
        assert self.trainer is not None
        rows: int = self.trainer.strategy.broadcast(len(self.log))
        if rows != len(self.log):
            raise DataError(
                f"rows were appended to {self.root} while the processes of this walk opened it: the first has {rows:,} "
                f"rows, this one {len(self.log):,}; start the walk again"
            )

    @property
    def sizes(self) -> Sizes:
        """The numbers of users, items and categories, from which the recommender is built; they know their past."""
        return self.log.sizes._replace(past=self.sizes_by)

    def sizes_by(self, period: int) -> Sizes:
        """The sizes that the stream had at the end of a period, or of the last one."""
        return self.log.sizes_by(self.boundaries[min(period, len(self.boundaries) - 1)])

    @property
    def boundaries(self) -> list[int]:
        """Row positions ``[b_0, …, b_P]``: period ``t`` holds rows ``b_{t-1} … b_t - 1``."""
        if not self._boundaries:
            same_rows = self._known and len(self.log) == self._known_rows
            self._boundaries = self._known if same_rows else self.periods.cut(self.log, self._known)
        return self._boundaries

    @property
    def last_period(self) -> int:
        """The number of the newest complete period, or of the last one to walk."""
        newest = len(self.boundaries) - 1
        return newest if self.until is None else min(newest, self.until)

    def rows_of(self, first: int, last: int | None = None) -> range:
        """Row positions of a period, or of those from ``first`` to ``last``."""
        boundaries = self.boundaries
        return range(boundaries[first - 1], boundaries[last or first])

    def classes(self, first: int, last: int) -> int:
        """How many of the two labels some periods have, sampled negatives included: none in an empty period."""
        rows = self.rows_of(first, last)
        label = self.log.between(rows.start, rows.stop).label
        return len(label.unique()) if self.negatives is None else 2 * bool(len(label))

    def known_before(self, period: int) -> tuple[int, int]:
        """How many users and how many items have a row before a period: those with the lowest ids.

        All earlier rows count, those before the first period too, so that it makes no difference how time is cut.
        """
        return self.log.known(self.rows_of(period).start)

    # ---- loaders

    def train_dataloader(self) -> MiniBatches | SideBySide:
        """The mini-batches of the current phase; none when the walk has reached the stream's end."""
        phase = self.phase
        if phase is None:
            return MiniBatches(self.log, [], self.history_size)
        size = self._size(phase)
        if phase.rows is not None:
            return self._batches(phase, phase.rows(), lambda rows: rows.split(size))
        if not phase.side_by_side:
            batches = self._batches(phase, self._positions(*phase.reads), lambda rows: rows.split(size), phase.reads)
            return batches if phase.beside is None else SideBySide([batches, self._beside(phase, phase.beside())])
        return SideBySide(
            [
                self._batches(phase, self._positions(period), self._abreast(phase), (period,), period)
                for period in phase.reads
            ]
        )

    def _beside(self, phase: Phase, rows: Tensor) -> MiniBatches:
        rows = rows.repeat(-(-self._cuts(phase) // len(rows)))  # none of the mini-batches may be empty
        return self._batches(phase, rows, self._abreast(phase), (), "beside")

    def _abreast(self, phase: Phase) -> Cut:
        """Cuts shuffled rows into as many mini-batches as the phase has; what they cannot hold is left out."""
        count, size = self._cuts(phase), self._size(phase)
        return lambda rows: rows[: count * size].tensor_split(count)

    def _batches(
        self, phase: Phase, rows: Tensor, cut: Cut, periods: tuple[int, ...] = (), *key: int | str
    ) -> MiniBatches:
        """Mini-batches of rows, shuffled if the phase trains on whole periods, with fresh negatives if there are any.

        Orders and negatives depend on the seed, the pass and the key alone; scoring draws alike in all passes. Over
        several processes they are those of a single one; each process then has its shares of each mini-batch.
        """
        number, processes = self._process
        numbers = range(number, processes * self._parts(phase), processes)
        shares = processes * len(numbers)
        order = permutation(len(rows), self.seed, *phase.key, *key) if phase.trains and phase.rows is None else None
        sizes = [len(part) for part in cut(torch.arange(len(rows)))]
        drawing = self.negatives if phase.negatives else None

        def own(rows: Tensor) -> tuple[Tensor, ...]:
            return tuple(Share.take(part, number, shares) for part in cut(rows) for number in numbers)

        newest = max(phase.reads, default=phase.period)
        batches = self._feed.mini_batches(rows, own, order, periods, phase.period, self._known_at(newest))
        if drawing is None:
            totals = [size for size in sizes for _ in numbers]
            return Shares(batches, totals, shares) if shares > 1 else batches
        random = randomness(
            self.seed, "negatives", *((*phase.key, *key) if phase.trains else phase.reads), device=self._feed.device
        )
        read = (rows if order is None else rows[order])[: sum(sizes)].to(self._feed.device)
        drawn = drawing.draw(self._interactions, read, random)
        parts = drawn.split(sizes)
        batches = WithNegatives(batches, [Share.take(part, number, shares) for part in parts for number in numbers])
        if shares == 1:
            return batches
        found = (drawn >= 0).sum(1).cpu().split(sizes)
        return Shares(batches, [len(part) + int(part.sum()) for part in found for _ in numbers], shares)

    def _known_at(self, period: int) -> int:
        """The row whose categories count when a period is the newest that is read: its first one.

        What arrives while a period lasts counts from the next one on, and an empty period has the last row before it.
        """
        rows = self.rows_of(period)
        return max(0, min(rows.start, rows.stop - 1))

    def mini_batches(self, phase: Phase) -> int:
        """How many mini-batches, or parts of them, a process gets in a phase, as far as that is known now."""
        return self._cuts(phase) * self._parts(phase)

    def _parts(self, phase: Phase) -> int:
        return self.accumulate if phase.trains else 1

    def _cuts(self, phase: Phase) -> int:
        if phase.rows is not None:
            rows = len(phase.rows())
        else:
            rows = sum(
                len(self.rows_of(period)) for period in (phase.reads[-1:] if phase.side_by_side else phase.reads)
            )
        # Where nothing is trained, an empty period has one mini-batch without rows, so that it is scored and shown.
        least = 0 if phase.trains or phase.rows is not None else 1
        return max(least, -(-rows // self._size(phase)))

    def _size(self, phase: Phase) -> int:
        return self.batch_size if phase.trains else self.scoring_batch_size

    def val_dataloader(self) -> ByPeriod:
        """The first period after the checkpoint. Nothing while fitting: there, scoring is a phase of the walk."""
        fitting = self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        return self._scoring([] if fitting else self.evaluated_periods(first_only=True))

    def test_dataloader(self) -> ByPeriod:
        """The periods after the checkpoint."""
        return self._scoring(self.evaluated_periods())

    def evaluated_periods(self, first_only: bool = False) -> list[int]:
        """The periods that an evaluation scores, see ``evaluate``.

        Raises:
            ConfigError: if there is none, or one outside the stream.
        """
        chosen = self.evaluate
        if chosen is None:
            chosen = list(range(self.seen + 1, self.last_period + 1))[: 1 if first_only else None]
            if not chosen:
                raise ConfigError(
                    f"the checkpoint has been trained up to period {self.seen}, the stream's last: no later period to "
                    "score. Give an earlier checkpoint (--checkpoint.keep -1 keeps all), or choose with --data.evaluate"
                )
        if not chosen:
            raise ConfigError("data.evaluate is empty: name at least one period, or leave it out")
        for period in chosen:
            if not 1 <= period <= self.last_period:
                raise ConfigError(f"data.evaluate: period {period} is not among the stream's 1..{self.last_period}")
        return chosen

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Batches are gathered on the device already."""
        return batch

    def _positions(self, *periods: int) -> Tensor:
        rows = map(self.rows_of, periods)
        return torch.cat([torch.arange(span.start, span.stop) for span in rows])

    def _scoring(self, periods: list[int]) -> ByPeriod:
        phases = {period: Phase("score", period, (period,), lambda batch: None, trains=False) for period in periods}
        size = self.scoring_batch_size
        return ByPeriod(
            {
                period: self._batches(phase, self._positions(period), lambda rows: rows.split(size), phase.reads)
                for period, phase in phases.items()
            }
        )

    @property
    def _process(self) -> tuple[int, int]:
        """The number of this process and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    @cached_property
    def _feed(self) -> Feed:
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        log = self.log if self.categories else replace(self.log, categories=None)
        return Feed(log, device, self.history_size, self.device_rows)

    @cached_property
    def _interactions(self) -> Interactions:
        assert self.negatives is not None
        return self.negatives.index(self.log, self._feed.device)

    def _fingerprint(self, rows: int) -> str:
        if rows not in self._fingerprints:
            self._fingerprints[rows] = self.log.fingerprint(rows)
        return self._fingerprints[rows]

    # ---- the walk's place

    def state_dict(self) -> dict[str, Any]:
        """The walk's place, how time was cut, and a digest of the rows that were cut."""
        boundaries = self.boundaries
        return {
            "period": self.period,
            "step": self.step,
            "seen": self.seen,
            "seed": self.seed,
            "boundaries": boundaries,
            "rows": len(self.log),
            "fingerprint": self._fingerprint(boundaries[-1]),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at a checkpoint's place; the stream may have grown at its end since.

        Raises:
            CheckpointError: if the stream's earlier rows or the seed differ.
        """
        self.check_same_stream(state_dict)
        if state_dict["seed"] != self.seed:
            raise CheckpointError(
                f"the checkpoint was made with seed {state_dict['seed']}, this run has {self.seed}: give "
                f"--seed_everything {state_dict['seed']} to go on"
            )
        self._known, self._known_rows, self._boundaries = list(state_dict["boundaries"]), state_dict["rows"], []
        self.period, self.step, self.seen = state_dict["period"], state_dict["step"], state_dict["seen"]

    def check_same_stream(self, state_dict: dict[str, Any]) -> None:
        """Check that the state belongs to this stream, which may have grown at its end since.

        Raises:
            CheckpointError: if the stream's earlier rows differ.
        """
        known = state_dict["boundaries"]
        if len(self.log) < known[-1] or self._fingerprint(known[-1]) != state_dict["fingerprint"]:
            raise CheckpointError(
                f"the checkpoint was made on a stream that began with {known[-1]:,} other rows than "
                f"{self.root or type(self.source).__name__} does now. A stream may grow at its end; to walk another "
                "one, start without --ckpt_path"
            )
