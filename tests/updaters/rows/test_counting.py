"""Counting the rows that updates ask for, in a walk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from distributed.ranks import on_ranks

import asmg_pl
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.distributed import Layout, Owners, Traffic
from asmg_pl.generators import RowGenerator
from asmg_pl.updaters import ASMG, Updater

ROW = partial(ASMG, generator=RowGenerator, window=2)


def test_a_walk_counts_each_row_that_its_updates_ask_for(short_walk: Callable[..., Updater]) -> None:
    updater = short_walk(ROW, passes=2)
    assert isinstance(updater, ASMG)
    asked: dict[str, torch.Tensor] = {}
    for batch in (updater.data.log.batch(rows, 5) for rows in torch.arange(360, 420).split(16)):
        for name, ids in updater.recommender.lookups(batch).items():
            own = torch.bincount(ids.flatten(), minlength=len(updater.recommender.table(name)))
            asked[name] = asked.get(name, 0) + own
    for name, expected in asked.items():
        counts = updater.history.rows(name, torch.arange(len(expected)))[2]
        assert counts[-1, :, 0].tolist() == (2 * expected).tolist(), name
        assert (counts[-1, :, 1] >= counts[-2, :, 1]).all()


def test_pretraining_and_scoring_are_not_counted(short_walk: Callable[..., Updater]) -> None:
    updater = short_walk(ROW, until=2)
    assert isinstance(updater, ASMG)
    assert not any(buffer.any() for buffer in updater.history.counts.buffers())  # type: ignore[union-attr]


def test_a_walk_that_goes_on_is_the_one_in_one_go(tmp_path: Path) -> None:
    source = DriftingStream(users=15, items=20, rows=420, categories=3)
    data = PeriodDataModule(source, periods=EqualCounts(7), batch_size=16, history_size=5)
    method = partial(ROW, passes=2, pretrain_periods=2, pretrain_epochs=1, test_from=6, generator_rate_decay=0.9)
    quiet: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False}
    whole = asmg_pl.walk(method, data, **quiet)
    asmg_pl.walk(method, data, tmp_path, until=5, **quiet)
    resumed = asmg_pl.walk(method, data, tmp_path, resume=True, **quiet)
    assert resumed.frame().equals(whole.frame())
    for name, value in whole.updater.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, resumed.updater.state_dict()[name]), name


def times_of(ids_by_rank: list[list[int]], rows: int) -> list[int]:
    """How often each row of a sharded table is asked for, by all ranks; each owner knows it of its rows."""
    layout = Layout(rows, 4, dist.get_rank(), dist.get_world_size())
    request = Owners(layout, Traffic())(torch.tensor(ids_by_rank[dist.get_rank()], dtype=torch.int64))
    held = torch.zeros(layout.held, dtype=torch.int32).index_add_(0, request.rows, request.times())
    whole = torch.zeros(rows, dtype=torch.int32)
    whole[layout.ids()] = held
    dist.all_reduce(whole)
    return whole.tolist()


@pytest.mark.parametrize("ids", [[[0, 5, 5, 9], [5, 2]], [[], [1, 1, 1]]])
def test_the_owner_of_a_row_counts_the_requests_of_all_ranks(ids: list[list[int]]) -> None:
    expected = torch.bincount(torch.tensor([i for own in ids for i in own]), minlength=10).tolist()
    assert on_ranks(2, times_of, ids, 10) == [expected] * 2
