"""Fixtures that tests of several parts share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from buckets import S3, Faults, new_bucket, proxied, server

import asmg_pl
from asmg_pl.data import EqualCounts, InteractionLog, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.updaters import Updater

torch.set_num_threads(1)  # tests are small, and run side by side


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Set the threads back after each test: benchmarks set them, and so does Lightning when it launches processes."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Set the environment back after each test: Lightning leaves the ranks of processes there that it launches.

    A walk that is launched later, with such a rank, would wait for others that nobody starts.
    """
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a public data set by its name; skips the test where the data sets are not at hand."""

    def folder(name: str) -> Path:
        parent = os.environ.get("ASMG_DATA")
        if not parent:
            pytest.skip("real data: set the environment variable ASMG_DATA to the folder that holds the data sets")
        found = Path(parent) / name
        if not found.is_dir():
            pytest.skip(f"real data: ASMG_DATA has no folder {name}")
        return found

    return folder


@pytest.fixture(scope="session")
def s3_proxy() -> Iterator[tuple[str, Faults]]:
    """The URL of an S3 server, and the faults of the proxy before it."""
    with server() as at, proxied(at) as found:
        yield found


@pytest.fixture
def s3(s3_proxy: tuple[str, Faults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A bucket that the environment gives access to, with faults if a test wants some."""
    return new_bucket(*s3_proxy, tmp_path / "cache", monkeypatch)


Walk = Callable[..., Updater]


class Late(EqualCounts):
    """Periods that begin after the stream does."""

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        return super().cut(log, known)[1:]


@pytest.fixture
def short_walk() -> Walk:
    """Walk a method along 7 periods of 60 rows, two of which pre-train; the updater as it stands at the end.

    With ``late``, the first 60 rows lie before the first of 6 periods.
    """

    def walk(
        method: Callable[..., Updater],
        until: int | None = None,
        late: bool = False,
        precision: Any = "32-true",
        **options: Any,
    ) -> Updater:
        torch.manual_seed(3)
        source = DriftingStream(users=15, items=20, rows=420, categories=3)
        data = PeriodDataModule(source, periods=Late(7) if late else EqualCounts(7), batch_size=16, history_size=5)
        updater = method(data.sizes, pretrain_periods=2, pretrain_epochs=2, test_from=6, **options)
        quiet: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False}
        return asmg_pl.walk(updater, data, until=until, precision=precision, **quiet).updater

    return walk
