"""However a phase's columns reach the device, the mini-batches are the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from data.stream.test_writer import catalogue, random_rows
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.mini_batches.feed import Feed
from asmg_pl.data.stream import StreamWriter, open_stream

CPU = torch.device("cpu")
HISTORY = 6
COLUMNS = [name for name in Batch._fields if name != "share"]


@pytest.fixture(params=["memory", "mapped", "mapped parts"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> InteractionLog:
    rows = random_rows()
    if request.param == "memory":
        return InteractionLog.from_frame(rows, catalogue())
    for begin in range(0, 400, 400 if request.param == "mapped" else 90):
        StreamWriter(tmp_path).append(rows[begin : begin + (400 if request.param == "mapped" else 90)], catalogue())
    return open_stream(tmp_path)


def cut(rows: Tensor) -> tuple[Tensor, ...]:
    return rows.split(17)


def assert_same(found: Iterable[Batch], expected: Iterable[Batch]) -> None:
    for one, other in zip(found, expected, strict=True):
        for name in COLUMNS:
            column, wanted = getattr(one, name), getattr(other, name)
            if column is None or wanted is None:
                assert column is wanted, name
                continue
            assert column.dtype == wanted.dtype, name
            assert torch.equal(column, wanted), name


@pytest.mark.parametrize("way", ["resident", "ahead"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_every_way_gives_the_mini_batches_of_the_stream(log: InteractionLog, way: str, shuffled: bool) -> None:
    rows = torch.cat([torch.arange(50, 120), torch.arange(200, 333)])
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(2)) if shuffled else None
    feed = Feed(log, CPU, HISTORY)
    plain = feed.mini_batches(rows, cut, order)
    other = getattr(feed, way)(rows, cut, order)
    assert len(other) == len(plain) == 12
    assert_same(other, plain)
    assert_same(other, plain)  # a second pass


@pytest.mark.parametrize("way", ["resident", "ahead"])
def test_rows_may_be_none_or_come_twice(log: InteractionLog, way: str) -> None:
    feed = Feed(log, CPU, HISTORY)
    for rows in (torch.arange(0), torch.tensor([3, 390, 3, 7])):
        assert_same(getattr(feed, way)(rows, cut), feed.mini_batches(rows, cut))


def test_columns_of_a_period_are_uploaded_once_and_dropped_when_it_is_past(
    log: InteractionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = []
    original = InteractionLog.compact

    def spy(self: InteractionLog, *arguments: Any) -> InteractionLog:
        uploads.append(len(arguments[0]))
        return original(self, *arguments)

    monkeypatch.setattr(InteractionLog, "compact", spy)
    feed = Feed(log, CPU, HISTORY)
    periods = {number: torch.arange(number * 50, number * 50 + 50) for number in range(1, 6)}
    for period in (3, 4, 5):
        for reads in ((period,), (period - 1,), (period,)):
            list(feed.resident(periods[reads[0]], cut, None, reads, period))
    assert len(uploads) == 4  # 3, 2, 4 and 5; each period is there still when the next one reads it again
    list(feed.resident(periods[3], cut, None, (3,), 6))
    assert len(uploads) == 5


@pytest.mark.parametrize("way", ["resident", "ahead"])
def test_the_catalogue_is_uploaded_once_for_all_passes(log: InteractionLog, way: str) -> None:
    feed = Feed(log, torch.device("meta"), HISTORY)
    passes = [getattr(feed, way)(torch.arange(begin, begin + 40), cut) for begin in (0, 100)]
    assert len({id(batch.categories) for batches in passes for batch in batches}) == 1


def test_only_the_items_of_the_histories_are_uploaded() -> None:
    log = InteractionLog.from_frame(random_rows(count=4000, moments=4000), catalogue())
    rows = torch.arange(3900, 4000)
    compact = log.compact(rows, 2)
    assert len(compact) == 100
    assert len(compact.parts[0].sequence) <= 2 * 100 < len(log.parts[0].sequence)


def test_large_phases_are_gathered_ahead_and_small_ones_are_resident(
    log: InteractionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed(log, torch.device("meta"), HISTORY, device_rows=100)
    monkeypatch.setattr(Feed, "ahead", lambda *arguments: "ahead")
    monkeypatch.setattr(Feed, "resident", lambda *arguments: "resident")
    assert [str(feed.mini_batches(torch.arange(count), cut)) for count in (100, 101)] == ["resident", "ahead"]
