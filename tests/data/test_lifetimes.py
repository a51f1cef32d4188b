"""Which ids have rows of their own: by the past alone, the lowest that are free, and each row for one id at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data import EqualRows, InteractionLog, Lifetimes, PeriodDataModule
from asmg_pl.data.lifetimes import Tenants
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import CheckpointError, ConfigError


def log_of(users: list[int]) -> InteractionLog:
    """One row after the other, of these users."""
    rows = pl.DataFrame({"user": users, "item": 0, "label": 1, "time": range(len(users))})
    return InteractionLog.from_frame(rows)


def follow(users: list[int], rows: int, **rule: Any) -> Tenants:
    """Periods of so many rows each."""
    return Lifetimes(**rule).follow(log_of(users), "user", [*range(0, len(users) + 1, rows)])


def by_hand(users: list[int], rows: int, admit_after: int, expire_after: int | None) -> list[dict[int, int]]:
    """The same one id at a time: after each period, the rows of the ids that have one."""
    numbered = {user: number for number, user in reversed([*enumerate(dict.fromkeys(users))])}
    seen: Counter[int] = Counter()
    last: dict[int, int] = {}
    row: dict[int, int] = {}
    used, found = 1, []
    for period in range(1, len(users) // rows + 1):
        there = sorted({numbered[user] for user in users[(period - 1) * rows : period * rows]})
        seen.update(numbered[user] for user in users[(period - 1) * rows : period * rows])
        last |= dict.fromkeys(there, period)
        for user in [user for user in last if expire_after and last[user] == period - expire_after]:
            row.pop(user, None)
            del seen[user]
        for user in there:
            if user not in row and seen[user] >= admit_after:
                free = [number for number in range(1, used) if number not in row.values()]
                row[user] = free[0] if free else used
                used = max(used, row[user] + 1)
        found.append(dict(row))
    return found


@settings(deadline=None)
@given(
    users=st.lists(st.integers(0, 6), min_size=4, max_size=60),
    rows=st.integers(2, 6),
    admit_after=st.integers(1, 4),
    expire_after=st.none() | st.integers(1, 4),
)
def test_rows_are_those_that_are_found_one_id_at_a_time(
    users: list[int], rows: int, admit_after: int, expire_after: int | None
) -> None:
    if len(users) < rows:
        return
    tenants = Lifetimes(admit_after, expire_after).follow(log_of(users), "user", [*range(0, len(users) + 1, rows)])
    for period, expected in enumerate(by_hand(users, rows, admit_after, expire_after), start=1):
        of = tenants.rows_at(period).tolist()
        assert {user: row for user, row in enumerate(of) if row} == expected
        assert of[-1] == 0  # an id that the stream does not know
        assert max(of) < tenants.used(period)
        owners = [row for row in of if row]
        assert len(owners) == len(set(owners)) == tenants.in_use(period)


def test_a_row_goes_to_another_id_and_an_id_that_comes_again_is_counted_anew() -> None:
    tenants = follow([7, 7, 8, 8, 9, 9, 7, 9, 7, 9], rows=2, admit_after=2, expire_after=2)
    assert [tenants.rows_at(period)[:3].tolist() for period in range(1, 6)] == [
        [1, 0, 0],  # 7
        [1, 2, 0],  # 7 and 8
        [0, 2, 1],  # 9 has the row of 7
        [0, 0, 1],  # 7 comes again, once
        [2, 0, 1],  # twice
    ]
    assert tenants.begun(3).tolist() == [1]
    assert [tenants.used(period) for period in range(6)] == [1, 2, 3, 3, 3, 3]


def test_what_comes_later_changes_no_earlier_row() -> None:
    draw = np.random.default_rng(0)
    users = (draw.random(300) ** 2 * 40).astype(int).tolist()
    whole, begin = (follow(rows, 20, admit_after=2, expire_after=2) for rows in (users, users[:160]))
    for period in range(9):
        shorter = begin.rows_at(period)[:-1]
        assert whole.rows_at(period)[: len(shorter)].tolist() == shorter.tolist()
        assert not whole.rows_at(period)[len(shorter) :].any()
        assert whole.used(period) == begin.used(period)


def test_any_period_can_be_asked_for_in_any_order() -> None:
    tenants = follow([1, 2, 3, 1, 2, 3, 3, 4], rows=2, expire_after=2)
    in_order = [tenants.rows_at(period).tolist() for period in range(5)]
    assert [tenants.rows_at(period).tolist() for period in (4, 1, 3, 0, 2)] == [in_order[p] for p in (4, 1, 3, 0, 2)]


def test_rows_before_the_first_period_are_sightings() -> None:
    tenants = Lifetimes(admit_after=2).follow(log_of([5, 5, 6, 6]), "user", [2, 4])
    assert [tenants.rows_at(period)[:2].tolist() for period in (0, 1)] == [[1, 0], [1, 2]]


def test_sizes_count_rows_and_the_stream_still_has_all_ids() -> None:
    stream = DriftingStream(users=30, items=40, rows=600)
    data = PeriodDataModule(stream, periods=EqualRows(100), lifetimes=Lifetimes(admit_after=12, users=False))
    assert data.sizes.users == data.log.sizes.users
    assert data.sizes.items == data.tenants["item"].used(6) < data.log.sizes.items
    assert data.sizes.by(2).items == data.tenants["item"].used(2)


def test_a_checkpoint_of_other_lifetimes_is_refused() -> None:
    def data(lifetimes: Lifetimes | None) -> PeriodDataModule:
        return PeriodDataModule(DriftingStream(rows=100), periods=EqualRows(20), lifetimes=lifetimes)

    assert "lifetimes" not in data(None).state_dict()
    data(Lifetimes(2)).load_state_dict(data(Lifetimes(2)).state_dict())
    for saved, now in ((None, Lifetimes(2)), (Lifetimes(2), None), (Lifetimes(2), Lifetimes(2, 3))):
        with pytest.raises(CheckpointError, match=r"the same data\.lifetimes"):
            data(now).load_state_dict(data(saved).state_dict())


@pytest.mark.parametrize(
    "rule", [{"admit_after": 0}, {"expire_after": 0}, {"users": False, "items": False}], ids=["admit", "expire", "none"]
)
def test_a_rule_that_cannot_be_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"data\.lifetimes"):
        Lifetimes(**rule)
