"""The period data module: a stream that is cut into periods and read one pass at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from asmg_pl.data.cutting.cut_stream import CutStream
from asmg_pl.data.cutting.periods import EqualCounts, Periods
from asmg_pl.data.lifetimes import Lifetimes
from asmg_pl.data.mini_batches.drawing import Drawing
from asmg_pl.data.mini_batches.feed import Feed
from asmg_pl.data.mini_batches.loader import AT_ONCE, Bundles, ByPeriod, MiniBatches, SideBySide
from asmg_pl.data.mini_batches.reader import Reader
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Source
from asmg_pl.errors import CheckpointError, ConfigError, DataError


class PeriodDataModule(CutStream):
    """Yields the mini-batches of one reading at a time.

    Attributes:
        reading: what :meth:`train_dataloader` yields; ``None`` for nothing. The period loop sets it.
        evaluate_after: the latest period that the model has been trained on; an evaluation begins after it by default.
            The period loop sets it.
        categories: whether batches have the items' categories. An updater whose model goes without sets it.
        bundles: whether :meth:`train_dataloader` hands small mini-batches over several at a time, as lists. The period
            loop sets it, unless a callback wants to see each mini-batch.

    Examples:
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
        lifetimes: Lifetimes | None = None,
    ) -> None:
        """Describe the stream; files are read when it is first needed.

        Args:
            source: how the raw data become interactions.
            root: folder with the source's raw files; of a converted stream also its address, such as
                s3://bucket/clicks.
            periods: how time is cut; 31 equal counts by default.
            batch_size: rows of a mini-batch in training, on all devices together: each takes a share.
            scoring_batch_size: the same in scoring; beyond rounding, it changes speed and memory only.
            history_size: the latest items of a user that a recommender sees.
            negatives: for a stream of positives, how negatives are drawn in each pass; none by default.
            evaluate: periods that ``asmg validate`` and ``asmg test`` score. By default ``validate`` takes the first
                period that the checkpoint's training has not seen, and ``test`` all such periods.
            device_rows: on a GPU, the most rows whose columns are put there at once (about 30 bytes each, and 4 for
                each item of their histories); a pass over more rows gathers its mini-batches on the CPU, ahead of time.
                No limit by default.
            accumulate: in how many micro-batches, one after the other, each device goes over its share of a mini-batch
                in training, before it takes one step: the memory of a micro-batch, and beyond rounding the same
                numbers.
            seed: shuffling depends on it, the period and the pass alone. The command line sets it to
                ``--seed_everything``.
            lifetimes: which users and items have a row of their own in the tables, and for how long; by default each of
                them has one for ever.
        """
        super().__init__(source, root, periods or EqualCounts(), history_size, negatives, lifetimes)
        sizes = {
            **{"batch_size": batch_size, "scoring_batch_size": scoring_batch_size},
            **{"device_rows": device_rows, "accumulate": accumulate},
        }
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ConfigError(f"data.{name} must be at least 1, got {value}")
        if history_size < 0:
            raise ConfigError(f"data.history_size must not be negative, got {history_size}")
        self.batch_size = batch_size
        self.scoring_batch_size = scoring_batch_size
        self.evaluate = evaluate
        self.device_rows = device_rows
        self.accumulate = accumulate
        self.seed = seed
        self.reading: Reading | None = None
        self.evaluate_after = 0
        self.categories = True
        self.bundles = False

    def setup(self, stage: str) -> None:
        """Check that all processes have opened the stream in the same state: rows may be appended at any time.

        Raises:
            DataError: if this process has other rows than the first one, or cuts them otherwise, by its clock.
        """
        assert self.trainer is not None
        rows: int
        last: int
        rows, last = self.trainer.strategy.broadcast((len(self.log), self.last_period))
        if rows != len(self.log):
            raise DataError(
                f"rows were appended to {self.root} while the processes of this walk opened it: the first has {rows:,} "
                f"rows, this one {len(self.log):,}; start the walk again"
            )
        if last != self.last_period:
            raise DataError(
                f"a period ended by the clock while the processes of this walk began: the first has {last:,} periods, "
                f"this one {self.last_period:,}; start the walk again"
            )

    # ---- loaders

    def train_dataloader(self) -> MiniBatches | SideBySide | Bundles:
        """The mini-batches of the current reading; none if there is nothing to read."""
        if self.reading is None:
            return MiniBatches(self.log, [], self.history_size)
        steps = self._reader.read(self.reading, self._feed, self._drawing)
        size = AT_ONCE // self._reader.rows(self.reading)
        return Bundles(steps, size) if self.bundles and size > 1 else steps

    def choice(self, rows: Tensor, period: int, size: int) -> MiniBatches:
        """Some rows in mini-batches, without negatives, the same in all processes.

        Args:
            rows: their positions, int64 [n].
            period: the newest period that is read, whose categories count.
            size: rows of a mini-batch.
        """
        as_of = self._reader.as_of(period)
        return self._feed.mini_batches(rows, lambda found: found.split(size), period=period, as_of=as_of)

    def mini_batches(self, reading: Reading) -> int:
        """How many mini-batches this process gets in a pass; in training, micro-batches count."""
        return self._reader.count(reading)

    def val_dataloader(self) -> ByPeriod:
        """The first period after the model's training. Nothing while fitting: there, scoring is a phase of the walk."""
        fitting = self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        return self._scoring([] if fitting else self.evaluated_periods(first_only=True))

    def test_dataloader(self) -> ByPeriod:
        """The periods after the model's training."""
        return self._scoring(self.evaluated_periods())

    def evaluated_periods(self, first_only: bool = False) -> list[int]:
        """The periods that an evaluation scores, see ``evaluate``.

        Raises:
            ConfigError: if there is none, or one outside the stream.
        """
        chosen, last = self.evaluate, self.last_period
        if chosen is None:
            chosen = list(range(self.evaluate_after + 1, last + 1))[: 1 if first_only else None]
            if not chosen:
                raise ConfigError(
                    f"the checkpoint has been trained up to period {self.evaluate_after}, the stream's last: no later "
                    "period to score. Give an earlier checkpoint (--checkpoint.keep -1 keeps all), or choose with "
                    "--data.evaluate"
                )
        if not chosen:
            raise ConfigError("data.evaluate is empty: name at least one period, or leave it out")
        for period in chosen:
            if not 1 <= period <= last:
                raise ConfigError(f"data.evaluate: period {period} is not among the stream's 1..{last}")
        return chosen

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Batches are gathered on the device already."""
        return batch

    def _scoring(self, periods: list[int]) -> ByPeriod:
        readings = {period: Reading("score", period, (period,), training=False) for period in periods}
        read = self._reader.read_one
        return ByPeriod({period: read(reading, self._feed, self._drawing) for period, reading in readings.items()})

    @property
    def _reader(self) -> Reader:
        rank, ranks = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        sizes = self.batch_size, self.scoring_batch_size, self.accumulate
        return Reader(self.rows_of, *sizes, self.seed, rank, ranks)

    @cached_property
    def _feed(self) -> Feed:
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        log = self.log if self.categories else replace(self.log, categories=None)
        return Feed(log, device, self.history_size, self.device_rows)

    @cached_property
    def _drawing(self) -> Drawing | None:
        return None if self.negatives is None else Drawing(self.negatives, self.log, self._feed.device, self.seed)

    # ---- what a checkpoint keeps

    def state_dict(self) -> dict[str, Any]:
        """The seed, how time was cut, and a digest of the rows that were cut."""
        come_and_go = {} if self.lifetimes is None else {"lifetimes": str(self.lifetimes)}
        return {"seed": self.seed, **self._cut.state_dict(), **come_and_go}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Cut time as the checkpoint's walk did; the stream may have grown at its end since.

        Raises:
            CheckpointError: if the stream's earlier rows or the seed differ.
        """
        self.check_same_stream(state_dict)
        if state_dict["seed"] != self.seed:
            raise CheckpointError(
                f"the checkpoint was made with seed {state_dict['seed']}, this run has {self.seed}: give "
                f"--seed_everything {state_dict['seed']} to go on"
            )
        self._cut.load_state_dict(state_dict)

    def check_same_stream(self, state_dict: dict[str, Any]) -> None:
        """Check that the state belongs to this stream, which may have grown at its end since.

        Raises:
            CheckpointError: if the stream's earlier rows differ, or its ids had other rows.
        """
        self._cut.check_same(state_dict)
        was, now = state_dict.get("lifetimes", "none"), str(self.lifetimes or "none")
        if was != now:
            raise CheckpointError(
                f"the checkpoint was made with data.lifetimes {was}, this run has {now}: rows of its tables belong to "
                "other ids. Give the same data.lifetimes"
            )
