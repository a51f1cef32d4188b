"""What a period takes does not depend on the periods before it: functions called, and bytes written."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, LightningModule, Trainer

import asmg_pl
from asmg_pl.callbacks import growing_table
from asmg_pl.checkpoints import archive
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.system import files
from asmg_pl.updaters import IncrementalUpdate, Updater

PERIODS = 54


class Counts(Callback):
    """Counts, by period, Python's function calls and the bytes that are flushed to the disk."""

    def __init__(self) -> None:
        self.calls: dict[int, int] = defaultdict(int)
        self.bytes: dict[int, int] = defaultdict(int)
        self._period = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Updater)
        self._period = pl_module.place.period

    def written(self, size: int) -> None:
        self.bytes[self._period] += size

    @contextmanager
    def counting(self) -> Iterator[None]:
        def called(frame: Any, event: str, argument: Any) -> None:
            if event == "call":
                self.calls[self._period] += 1

        sys.setprofile(called)
        try:
            yield
        finally:
            sys.setprofile(None)


@pytest.mark.filterwarnings("ignore")
def test_late_periods_call_as_many_functions_and_write_as_many_bytes_as_early_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, sync, append = Counts(), files.sync, files.append

    def synced(path: Path) -> None:
        if path.is_file() and path.name.endswith(files.PARTIAL):
            counts.written(path.stat().st_size)
        sync(path)

    def appended(path: Path, content: bytes, size: int) -> bool:
        counts.written(len(content))
        return append(path, content, size)

    monkeypatch.setattr(archive, "PERIODS", 4)
    monkeypatch.setattr(files, "sync", synced)
    monkeypatch.setattr(growing_table, "append", appended)
    stream = DriftingStream(users=6, items=6, rows=4 * PERIODS)
    data = PeriodDataModule(stream, periods=EqualCounts(PERIODS), batch_size=64, history_size=2)
    with counts.counting():
        asmg_pl.walk(
            lambda sizes: IncrementalUpdate(sizes, pretrain_periods=2, pretrain_epochs=1),
            data,
            folder=tmp_path,
            callbacks=[counts],
        )
    for what, most in ((counts.calls, 1.05), (counts.bytes, 1.05)):
        # Whole rounds of the files that notes of early periods are put into.
        early, late = (sum(what[period] for period in range(first, first + 12)) for first in (17, 41))
        assert 0 < late < most * early
    assert len(list((tmp_path / "checkpoints").glob(archive.FILES))) > 8
