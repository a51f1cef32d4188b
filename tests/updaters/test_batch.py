"""The batch update: which rows it reads, and where it starts from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import BatchUpdate, IncrementalUpdate, Updater

SIZES = Sizes(5, 5)


@pytest.mark.parametrize(
    ("window", "period", "reads"),
    [(3, 11, (9, 10, 11)), (1, 11, (11,)), (5, 3, (1, 2, 3)), (None, 12, tuple(range(1, 13)))],
)
def test_an_update_reads_the_window_of_periods_that_ends_with_the_new_one(
    window: int | None, period: int, reads: tuple[int, ...]
) -> None:
    phases = BatchUpdate(SIZES, window=window, pretrain_periods=2).phases(period)
    assert [phase.name for phase in phases] == ["score", "update"]
    assert phases[0].reading.periods == (period,)
    assert phases[1].reading.periods == reads
    assert not phases[1].reading.side_by_side


def test_each_pass_reads_the_window_anew() -> None:
    phases = BatchUpdate(SIZES, window=2, passes=3).phases(20)
    assert [(phase.reading.periods, phase.repeat) for phase in phases[1:]] == [
        ((19, 20), 0),
        ((19, 20), 1),
        ((19, 20), 2),
    ]


@pytest.mark.parametrize("window", [2, None])
def test_each_row_of_the_window_is_seen_once_and_periods_are_mixed(
    short_walk: Callable[..., Updater], window: int | None
) -> None:
    seen: dict[int, list[tuple[Tensor, Tensor]]] = {}

    class Watched(BatchUpdate):
        def update(self, batch: Batch) -> None:
            assert self.phase is not None
            seen.setdefault(self.phase.period, []).append((batch.user, batch.item))
            super().update(batch)

    data = short_walk(Watched, window=window).data
    assert list(seen) == [3, 4, 5, 6, 7]
    for period, batches in seen.items():
        rows = data.rows_of(1 if window is None else period - 1, period)
        expected = torch.stack([data.log.user[rows.start : rows.stop], data.log.item[rows.start : rows.stop]])
        found = torch.cat([torch.stack(batch) for batch in batches], dim=1)
        assert sorted(found.T.tolist()) == sorted(expected.T.tolist())
        assert found.T.tolist() != expected.T.tolist()


def test_a_window_of_one_period_is_plain_incremental_update(short_walk: Callable[..., Updater]) -> None:
    one, plain = short_walk(BatchUpdate, window=1), short_walk(IncrementalUpdate)
    for a, b in zip(one.recommender.parameters(), plain.recommender.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_window_has_at_least_one_period() -> None:
    with pytest.raises(ConfigError, match=r"model\.window must be at least 1"):
        BatchUpdate(SIZES, window=0)
