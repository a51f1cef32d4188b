"""The batch update: which rows it reads, and where it starts from."""

from __future__ import annotations

import pytest

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import BatchUpdate

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
    assert phases[0].reads == (period,)
    assert phases[1].reads == reads
    assert not phases[1].side_by_side


def test_each_pass_reads_the_window_anew() -> None:
    phases = BatchUpdate(SIZES, window=2, passes=3).phases(20)
    assert [(phase.reads, phase.repeat) for phase in phases[1:]] == [((19, 20), 0), ((19, 20), 1), ((19, 20), 2)]


def test_a_window_has_at_least_one_period() -> None:
    with pytest.raises(ConfigError, match=r"model\.window must be at least 1"):
        BatchUpdate(SIZES, window=0)
