"""The moments of numbers against numpy's, from the past alone, whichever rows were asked for before."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from data.featured import FEATURES, featured_rows

from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule, moments
from asmg_pl.data.moments import Moments
from asmg_pl.data.sources import Source


def assert_equal(one: Moments, other: Moments) -> None:
    assert one.count.tolist() == other.count.tolist()
    assert one.average.tolist() == other.average.tolist()
    assert one.squares.tolist() == other.squares.tolist()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asmg_pl.data.past.BLOCK", 64)


def make(rows: pl.DataFrame) -> InteractionLog:
    return InteractionLog.from_frame(rows, features=FEATURES)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 300, 400])
def test_moments_are_those_of_the_present_values(rows: int) -> None:
    frame = featured_rows()
    found = make(frame).moments(rows)
    for number, name in enumerate(FEATURES.numbers):
        values = frame[name][:rows].drop_nulls().cast(pl.Float32).to_numpy().astype(np.float64)
        assert found.count[number] == len(values)
        if len(values):
            assert found.mean[number].item() == pytest.approx(values.mean(), rel=1e-6)
        if len(values) > 1:
            assert found.std[number].item() == pytest.approx(values.std(), rel=1e-6)


def test_moments_do_not_depend_on_what_was_asked_before() -> None:
    rows = featured_rows()
    for asked in ([400], [10, 70, 129, 250, 400], [400, 10, 400], range(0, 401, 50)):
        log = make(rows)
        found = [log.moments(count) for count in asked]
        assert_equal(found[-1], make(rows).moments(400))


def test_later_rows_change_no_moment_of_earlier_ones() -> None:
    rows = featured_rows()
    changed = rows.with_columns(pl.when(pl.col("time") >= 70).then(pl.col("price") * 9 + 1e6).otherwise("price"))
    for count in (0, 64, 100, 210):
        assert_equal(make(rows).moments(count), make(changed).moments(count))
    assert make(rows).moments(216).average[0] != make(changed).moments(216).average[0]


def test_only_new_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original, log = Moments.of, make(featured_rows())

    def spy(table: np.ndarray) -> Moments:
        read.append(len(table))
        return original(table)

    monkeypatch.setattr(Moments, "of", spy)
    for count in (130, 260, 390):
        log.moments(count)
    assert sum(read) <= 390 + 3 * 64


def test_numbers_without_values_or_spread_are_left_as_they_are() -> None:
    none = Moments.of(np.full((5, 1), np.nan, np.float32))
    same = Moments.of(np.full((5, 1), 0.1, np.float32))
    for part in range(7):
        same = same.joined(Moments.of(np.full((part, 1), 0.1, np.float32)))
    assert (none.mean.tolist(), none.std.tolist()) == ([0.0], [1.0])
    assert same.std.tolist() == [1.0]
    assert same.mean.tolist() == [torch.tensor(0.1).item()]
    assert none.mean.dtype == none.std.dtype == torch.float32
    assert none.joined(same).average.tolist() == same.joined(none).average.tolist() == same.average.tolist()


def test_large_numbers_keep_their_spread() -> None:
    values = (1e6 + np.arange(1000) % 7).astype(np.float32)[:, None]
    whole = Moments.of(np.zeros((0, 1), np.float32))
    for begin in range(0, 1000, 13):
        whole = whole.joined(Moments.of(values[begin : begin + 13]))
    assert whole.std.item() == pytest.approx(values.astype(np.float64).std(), rel=1e-6)


def test_the_data_module_gives_the_moments_by_a_period() -> None:
    class Rows(Source):
        def read(self, root: object) -> InteractionLog:
            return make(featured_rows())

    data = PeriodDataModule(Rows(), periods=EqualCounts(4))
    assert_equal(data.moments_by(2), make(featured_rows()).moments(200))
    assert_equal(data.moments_by(9), data.moments_by(4))
    assert data.moments_by(1).mean.shape == (2,)


def test_a_stream_without_numbers_has_no_moments() -> None:
    rows = featured_rows().select("user", "item", "label", "time")
    assert InteractionLog.from_frame(rows).moments(100).mean.tolist() == []
    assert moments.BLOCK == 2**16
