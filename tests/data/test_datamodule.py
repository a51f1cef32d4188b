"""The data module: which rows a pass reads, and in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from data.passes import Clicks, clicks, reading

from asmg_pl.data import Batch, EqualCounts, EqualRows, InteractionLog, PeriodDataModule, Reading
from asmg_pl.data.cutting.calendar import Boundaries, Calendar
from asmg_pl.data.cutting.periods import Periods
from asmg_pl.data.mini_batches.loader import MiniBatches, SideBySide
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import DriftingStream, Source
from asmg_pl.data.sources.clicks import days
from asmg_pl.errors import CheckpointError, ConfigError, DataError


class Numbered(Source):
    """Every row has a user of its own, numbered like the row, so that a batch tells which rows it has."""

    def __init__(self, rows: int, first_label: int = 0) -> None:
        self.rows, self.first_label, self.reads = rows, first_label, 0

    def read(self, root: Path | None) -> InteractionLog:
        self.reads += 1
        self.root = root
        label = [self.first_label, *(row % 2 for row in range(1, self.rows))]
        columns = {"user": range(self.rows), "item": [1] * self.rows, "label": label, "time": range(self.rows)}
        return InteractionLog.from_frame(pl.DataFrame(columns))


def module(rows: int = 103, **arguments: Any) -> PeriodDataModule:
    """Five periods of 20 rows, three rows wait."""
    defaults: dict[str, Any] = {"periods": EqualCounts(5), "batch_size": 6, "scoring_batch_size": 7}
    return PeriodDataModule(Numbered(rows), **defaults | arguments)


def rows_read(data: PeriodDataModule, chosen: Reading) -> list[list[int]]:
    """The rows of each mini-batch of a pass."""
    data.reading = chosen
    loader = data.train_dataloader()
    assert isinstance(loader, MiniBatches)
    assert len(loader) == data.mini_batches(chosen)
    return [batch.user.tolist() for batch in loader]


def flat(mini_batches: list[list[int]]) -> list[int]:
    return [row for rows in mini_batches for row in rows]


def test_periods_are_numbered_from_one() -> None:
    data = module()
    assert data.boundaries == [0, 20, 40, 60, 80, 100]
    assert data.last_period == 5
    assert data.rows_of(1) == range(20)
    assert data.rows_of(5) == range(80, 100)


def test_what_a_period_itself_brings_is_not_known_before_it() -> None:
    """Each row has a new user, and all have one item."""
    data = module()
    assert [data.known_before(period) for period in (1, 2, 5)] == [(0, 0), (20, 1), (80, 1)]


DAY = 86_400


def stream_of_days(days: int = 6, rows: int = 20) -> pl.DataFrame:
    """A stream with equally many rows on each day; users and items come back, and new ones come."""
    draw = random.Random(5)
    columns: dict[str, list[int]] = {"user": [], "item": [], "label": [], "time": []}
    for day in range(days):
        for row in range(rows):
            columns["user"].append(draw.randrange(4 + 3 * day))
            columns["item"].append(draw.randrange(6 + 2 * day))
            columns["label"].append(row % 2)
            columns["time"].append(1_600_000_000 // DAY * DAY + day * DAY + row)
    return pl.DataFrame(columns)


@pytest.mark.parametrize("first", [0, 2])
def test_who_is_known_is_the_same_however_time_is_cut(first: int) -> None:
    """The same rows as equal counts, days, times of one's own, or the days of a window of a longer stream."""
    rows = stream_of_days()
    log, start = InteractionLog.from_frame(rows), int(rows["time"][0])
    times = [start + day * DAY for day in range(7)]
    window = days(log, times[first], times[6])
    cuts: list[tuple[InteractionLog, Periods, int]] = [
        (log, EqualCounts(6), first),
        (log, EqualRows(20), first),
        (log, Calendar("1d", include_last=True), first),
        (log, Boundaries(list(times[first:])), 0),
        (window, EqualCounts(6 - first), 0),
        (window, Calendar("1d", include_last=True), 0),
        (window, Boundaries(list(times[first:])), 0),
    ]
    found = []
    for stream, periods, left_out in cuts:
        data = PeriodDataModule(Given(stream), periods=periods)
        known = [data.known_before(period) for period in range(left_out + 1, data.last_period + 1)]
        assert len(known) == 6 - first
        found.append(known)
    before = [rows.filter(pl.col("time") < time) for time in times[first:6]]
    assert found[0] == [(part["user"].n_unique(), part["item"].n_unique()) for part in before]
    assert all(known == found[0] for known in found)


class Given(Source):
    """A log that is there."""

    def __init__(self, log: InteractionLog) -> None:
        self.log = log

    def read(self, root: Path | None) -> InteractionLog:
        return self.log


def test_the_stream_is_read_once_and_only_when_needed() -> None:
    source = Numbered(50)
    data = PeriodDataModule(source, root="somewhere", periods=EqualCounts(5))
    assert source.reads == 0
    assert data.sizes.users == len(data.log) == 50
    rows_read(data, reading(2))
    assert source.reads == 1
    assert source.root == Path("somewhere")


def test_a_training_pass_covers_its_period_exactly_once_in_another_order() -> None:
    mini_batches = rows_read(module(), reading(3))
    assert [len(rows) for rows in mini_batches] == [6, 6, 6, 2]
    assert flat(mini_batches) != list(range(40, 60))
    assert sorted(flat(mini_batches)) == list(range(40, 60))


def test_several_periods_are_shuffled_together() -> None:
    mini_batches = rows_read(module(), reading(1, 2, 3, name="pretrain"))
    assert sorted(flat(mini_batches)) == list(range(60))
    assert all(max(rows) - min(rows) > 20 for rows in mini_batches[:5])


def test_every_pass_is_shuffled_differently_and_the_same_pass_alike() -> None:
    chosen = [reading(3), reading(3, repeat=1), reading(3, repeat=2), reading(3, name="other")]
    orders = [flat(rows_read(module(), one)) for one in chosen]
    orders += [[row + 20 for row in flat(rows_read(module(), reading(2)))], flat(rows_read(module(seed=7), reading(3)))]
    assert len({tuple(order) for order in orders}) == len(orders)
    data = module()
    rows_read(data, reading(2))
    torch.manual_seed(99)
    assert flat(rows_read(data, reading(3))) == orders[0]


def test_scoring_reads_in_order_and_its_mini_batch_size_is_its_own() -> None:
    mini_batches = rows_read(module(), reading(4, name="score", training=False))
    assert [len(rows) for rows in mini_batches] == [7, 7, 6]
    assert flat(mini_batches) == list(range(60, 80))


def test_side_by_side_gives_one_batch_of_each_period_and_every_row_once() -> None:
    data = module()
    data.reading = reading(2, 3, 4, name="generate", side_by_side=True)
    loader = data.train_dataloader()
    assert isinstance(loader, SideBySide)
    steps = [[batch.user.tolist() for batch in step] for step in loader]
    assert len(steps) == len(loader) == data.mini_batches(data.reading) == 4
    orders = []
    for position, period in enumerate((2, 3, 4)):
        rows = flat([step[position] for step in steps])
        assert sorted(rows) == list(data.rows_of(period))
        orders.append(tuple(row - data.rows_of(period).start for row in rows))
        assert all(len(step[position]) == 5 for step in steps)
    assert len({*orders, tuple(range(20))}) == 4


class Growing(Periods):
    """Ever shorter periods, of 60, 40 and 3 rows."""

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        return [0, 60, 100, 103]


@pytest.mark.parametrize("negatives", [None, Fresh(2)])
def test_no_mini_batch_side_by_side_is_larger_than_others_however_long_an_older_period_is(
    negatives: Fresh | None,
) -> None:
    source = Clicks(103) if negatives else Numbered(103)
    data = PeriodDataModule(source, periods=Growing(), batch_size=6, negatives=negatives)
    found = []
    for repeat in range(2):
        data.reading = reading(1, 2, 3, side_by_side=True, repeat=repeat)
        loader = data.train_dataloader()
        assert isinstance(loader, SideBySide)
        steps = list(loader)
        assert len(steps) == data.mini_batches(data.reading) == 1
        rows = [batch.label.count_nonzero() if negatives else batch.total for batch in steps[0]]
        assert rows == [6, 6, 3]
        totals = [batch.total for batch in steps[0]]
        assert totals == [len(batch.label) for batch in steps[0]]
        if negatives:  # the stream's first rows have few items before them, and so fewer negatives
            assert totals[0] <= 18
            assert totals[1:] == [18, 9]
        found.append([batch.item.tolist() if negatives else batch.user.tolist() for batch in steps[0]])
    assert found[0][:2] != found[1][:2], "each pass reads others of the older periods' rows"


def test_rows_beside_a_short_period_are_no_more_than_a_mini_batch_holds() -> None:
    data = PeriodDataModule(Numbered(103), periods=Growing(), batch_size=6)
    data.reading = reading(3, beside=torch.arange(90))
    loader = data.train_dataloader()
    assert isinstance(loader, SideBySide)
    ((own, others),) = loader
    assert sorted(own.user.tolist()) == [100, 101, 102]
    assert len(set(others.user.tolist())) == 6


@pytest.mark.parametrize("beside", [13, 9, 4, 3, 1])
def test_rows_beside_a_period_are_read_equally_often_and_change_nothing_of_its_own(beside: int) -> None:
    data = module()
    data.reading = reading(3, beside=torch.arange(beside))
    loader = data.train_dataloader()
    assert isinstance(loader, SideBySide)
    steps = [[batch.user.tolist() for batch in step] for step in loader]
    assert [own for own, _ in steps] == rows_read(module(), reading(3))
    assert len(loader) == data.mini_batches(data.reading) == 4
    others = [other for _, other in steps]
    assert sorted(flat(others)) == sorted(list(range(beside)) * max(1, -(-4 // beside)))
    assert max(map(len, others)) - min(map(len, others)) <= 1
    assert min(map(len, others)) >= 1


def test_rows_beside_a_period_are_shuffled_anew_by_each_pass() -> None:
    def others(repeat: int) -> list[int]:
        data = module()
        data.reading = reading(3, beside=torch.arange(20), repeat=repeat)
        return [row for step in data.train_dataloader() for row in step[1].user.tolist()]  # type: ignore[union-attr]

    assert others(0) == others(0)
    assert len({tuple(others(0)), tuple(others(1)), tuple(range(20))}) == 3


def test_histories_have_the_size_asked_for() -> None:
    source = DriftingStream(users=5, items=9, rows=200, categories=3)
    data = PeriodDataModule(source, periods=EqualCounts(4), history_size=3)
    data.reading = reading(4)
    (batch,) = data.train_dataloader()
    assert isinstance(batch, Batch)
    assert batch.history.shape == (50, 3)
    assert (batch.history_length == 3).any()
    assert batch.categories is data.log.categories


def test_at_the_end_of_the_walk_there_is_nothing_to_read() -> None:
    loader = module().train_dataloader()
    assert len(loader) == 0
    assert list(loader) == []


def test_evaluation_reads_periods_in_order_and_unshuffled() -> None:
    data = module()
    data.evaluate_after = 3
    tested = [(period, batch.user.tolist()) for period, batch in data.test_dataloader()]
    assert len(tested) == len(data.test_dataloader()) == 6
    assert [period for period, _ in tested] == [4, 4, 4, 5, 5, 5]
    assert flat([rows for _, rows in tested]) == list(range(60, 100))
    assert flat([batch.user.tolist() for _, batch in data.val_dataloader()]) == list(range(60, 80))


def test_what_is_evaluated_may_be_chosen() -> None:
    data = module(evaluate=[5, 2])
    assert data.evaluated_periods() == data.evaluated_periods(first_only=True) == [5, 2]


@pytest.mark.parametrize("period", [0, -1, 6])
def test_a_period_outside_the_stream_cannot_be_evaluated(period: int) -> None:
    with pytest.raises(ConfigError, match=rf"period {period} is not among the stream's 1\.\.5"):
        module(evaluate=[2, period]).evaluated_periods()


@pytest.mark.parametrize("first_only", [True, False])
def test_without_a_later_period_there_is_nothing_to_evaluate(first_only: bool) -> None:
    data = module()
    data.evaluate_after = 5
    with pytest.raises(ConfigError, match=r"trained up to period 5, the stream's last"):
        data.evaluated_periods(first_only)


def test_how_time_was_cut_goes_through_a_checkpoint() -> None:
    before, after = module(), module()
    after.load_state_dict(before.state_dict())
    assert after.boundaries == before.boundaries
    assert after.state_dict() == before.state_dict()


def test_a_grown_stream_goes_on_and_keeps_its_periods() -> None:
    after = module(rows=163, periods=EqualCounts(2))
    after.load_state_dict(module().state_dict())
    assert after.boundaries == [*range(0, 161, 20)]
    assert rows_read(after, reading(3)) == rows_read(module(), reading(3))


def changed() -> PeriodDataModule:
    return PeriodDataModule(Numbered(103, first_label=1), root="here", periods=EqualCounts(5))


@pytest.mark.parametrize(("other", "place"), [(module(rows=99), "Numbered"), (changed(), "here")])
def test_a_stream_with_other_beginnings_is_refused(other: PeriodDataModule, place: str) -> None:
    with pytest.raises(CheckpointError, match=rf"began with 100 other rows than {place} does now"):
        other.load_state_dict(module().state_dict())
    assert other.state_dict()["rows"] == len(other.log)


def test_rows_that_no_period_has_yet_may_change() -> None:
    module(rows=100).load_state_dict(module(rows=103).state_dict())


def test_another_seed_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"with seed 5, this run has 1234: give --seed_everything 5 to go on"):
        module().load_state_dict(module(seed=5).state_dict())


@pytest.mark.parametrize(
    "arguments", [{"batch_size": 0}, {"scoring_batch_size": 0}, {"batch_size": -1}, {"history_size": -1}]
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, int]) -> None:
    ((name, value),) = arguments.items()
    with pytest.raises(ConfigError, match=rf"data\.{name} must .* got {value}"):
        module(**arguments)


def test_periods_are_31_by_default_and_may_be_cut_otherwise() -> None:
    assert PeriodDataModule(Numbered(70)).last_period == 31
    assert module(periods=EqualRows(30)).last_period == 3


def test_a_stream_that_has_not_grown_is_cut_as_before() -> None:
    """A remainder can be as long as a period if periods have fewer rows than there are periods."""
    first = module(rows=17, periods=EqualCounts(6))
    again = module(rows=17, periods=EqualCounts(6))
    again.load_state_dict(first.state_dict())
    assert again.boundaries == first.boundaries


def test_a_period_without_rows_training_nothing_and_is_scored_once() -> None:
    class Gap(Periods):
        def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
            return [0, 40, 80, 80, 103]

    data = module(periods=Gap())
    assert data.mini_batches(reading(3)) == data.mini_batches(reading(2, 3, side_by_side=True)) == 0
    assert rows_read(data, reading(3, name="score", training=False)) == [[]]
    assert [data.classes(period, period) for period in (1, 2, 3)] == [2, 2, 0]
    data.reading = reading(3, 4, side_by_side=True)
    assert [len(step[0].user) for step in data.train_dataloader()] == [0, 0, 0, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("appended", "ended", "message"),
    [
        (0, 0, ""),
        (5, 0, "the first has 65 rows, this one 60; start the walk again"),
        (0, 1, "a period ended by the clock while .* the first has 4 periods, this one 3; start the walk again"),
    ],
)
def test_processes_that_opened_the_stream_in_different_states_do_not_walk(
    appended: int, ended: int, message: str
) -> None:
    data = clicks()
    first = SimpleNamespace(broadcast=lambda state: (state[0] + appended, state[1] + ended))
    data.trainer = SimpleNamespace(strategy=first)  # type: ignore[assignment]
    if not message:
        data.setup("fit")
        return
    with pytest.raises(DataError, match=message):
        data.setup("fit")
