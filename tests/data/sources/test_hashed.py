"""Hashed ids: fixed sizes, the same buckets whatever comes later."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from asmg_pl.data import InteractionLog
from asmg_pl.data.sources import DriftingStream, Hashed, Source
from asmg_pl.errors import ConfigError


class Given(Source):
    def __init__(self, rows: int, users: int = 7) -> None:
        self.rows, self.users = rows, users

    def read(self, root: Path | None) -> InteractionLog:
        number = pl.int_range(self.rows, eager=True)
        rows = pl.DataFrame({"user": number % self.users, "item": number, "label": number % 2, "time": number})
        categories = pl.DataFrame({"item": number, "categories": [[f"{n}"] for n in number]})
        return InteractionLog.from_frame(rows, categories)


def test_tables_have_the_sizes_asked_for_however_many_ids_there_are() -> None:
    for rows in (10, 500, 2000):
        log = Hashed(Given(rows), users=5, items=64).read(None)
        assert log.sizes[:2] == (5, 64)
        assert 0 <= int(log.item.min()) <= int(log.item.max()) < 64
        assert 0 <= int(log.user.min()) <= int(log.user.max()) < 5
        assert log.categories is not None
        assert len(log.categories) == 64


def test_what_is_not_hashed_stays_as_it_is() -> None:
    plain = Given(300).read(None)
    users, items = Hashed(Given(300), users=3).read(None), Hashed(Given(300), items=30).read(None)
    assert torch.equal(users.item, plain.item)
    assert torch.equal(items.user, plain.user)
    assert torch.equal(users.categories, plain.categories)  # type: ignore[arg-type]


def test_a_grown_stream_keeps_the_buckets_of_its_earlier_rows() -> None:
    short, long = (Hashed(Given(rows), users=5, items=64).read(None) for rows in (300, 900))
    assert short.fingerprint(300) == long.fingerprint(300)
    rows = torch.arange(300)
    for one, other in zip(short.batch(rows, 5)[:5], long.batch(rows, 5)[:5], strict=True):
        assert torch.equal(one, other)


def test_histories_hold_the_buckets_of_their_items() -> None:
    plain, hashed = Given(300).read(None), Hashed(Given(300), items=64).read(None)
    rows = torch.arange(300)
    expected = Hashed(Given(1), items=64).buckets(plain.batch(rows, 5).history, 64)
    found = hashed.batch(rows, 5)
    real = torch.arange(5) < found.history_length[:, None]
    assert torch.equal(found.history[real], expected[real].long())


def test_ids_spread_evenly_and_otherwise_with_another_seed() -> None:
    ids = torch.arange(64_000)
    for seed in (0, 1, 12345):
        counts = Hashed(Given(1), items=64, seed=seed).buckets(ids, 64).bincount(minlength=64)
        chi_square = float(((counts - 1000.0) ** 2 / 1000).sum())
        assert 30 < chi_square < 110  # 63 degrees of freedom
    one, other = (Hashed(Given(1), items=64, seed=seed).buckets(ids, 64) for seed in (0, 1))
    assert 0.005 < (one == other).double().mean() < 0.03


def test_a_bucket_has_the_categories_of_its_first_item() -> None:
    plain, hashed = Given(300).read(None), Hashed(Given(300), items=16).read(None)
    assert plain.categories is not None
    assert hashed.categories is not None
    seen: dict[int, list[int]] = {}
    for item, bucket in zip(plain.item.tolist(), hashed.item.tolist(), strict=True):
        seen.setdefault(bucket, plain.categories[item].tolist())
    assert {bucket: hashed.categories[bucket].tolist() for bucket in seen} == seen


def test_nobody_counts_as_new() -> None:
    assert Hashed(Given(300), users=5, items=64).read(None).known(10) == (5, 64)


def test_it_wraps_any_source() -> None:
    log = Hashed(DriftingStream(users=50, items=80, rows=500), items=16).read(None)
    assert log.sizes.items == 16


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="both missing"):
        Hashed(Given(1))
    with pytest.raises(ConfigError, match=r"source\.items must be at least 1, got 0"):
        Hashed(Given(1), items=0)
