"""A walk says so if its mini-batches are too large for its periods, and names what makes enough steps."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest

import asmg_pl
from asmg_pl.callbacks import PeriodReport
from asmg_pl.callbacks.few_steps import few_steps
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.updaters import Frozen, IncrementalUpdate, SelfTuning, Updater


def message(rows: int, batch_size: int, method: Any = IncrementalUpdate, **options: Any) -> str | None:
    """What a walk along periods of so many rows says."""
    data = PeriodDataModule(DriftingStream(rows=6 * rows), periods=EqualCounts(6), batch_size=batch_size)
    given = {"pretrain_periods": 2, "pretrain_epochs": 1, "test_from": 4} | options
    found: list[Updater] = []

    def make(sizes: Any) -> Updater:
        found.append(method(sizes, **given))
        return found[0]

    asmg_pl.walk(make, data, until=2, accelerator="cpu", enable_progress_bar=False)
    found[0].place.until = None
    return few_steps(found[0])


def test_the_message_names_a_size_that_makes_enough_steps() -> None:
    said = message(1500, 1024)
    assert said is not None
    assert "about 2 optimiser steps a period" in said
    assert "lower model.batch_size or data.batch_size, e.g. to 64" in said
    assert message(1500, 64) is None


def test_passes_count() -> None:
    assert message(300, 32) is not None
    assert message(300, 32, passes=2) is None


def test_periods_of_few_rows_are_to_be_longer() -> None:
    said = message(60, 32)
    assert said is not None
    assert "e.g. to" not in said
    assert "cut time coarser" in said


def test_of_settings_that_race_the_one_with_most_steps_counts() -> None:
    assert message(300, 1024, self_tuning=SelfTuning(batch_sizes=[128, 8])) is None
    said = message(300, 8, self_tuning=SelfTuning(batch_sizes=[128, 64]))
    assert said is not None
    assert "lower model.self_tuning.batch_sizes, e.g. to 8" in said


def test_a_method_without_updates_says_nothing() -> None:
    assert message(60, 32, Frozen) is None


def test_the_walk_warns(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    data = PeriodDataModule(DriftingStream(rows=360), periods=EqualCounts(6))
    method = partial(IncrementalUpdate, pretrain_periods=2, pretrain_epochs=1, test_from=4)
    caplog.set_level(logging.WARNING, "asmg_pl")
    callbacks = [PeriodReport()]
    asmg_pl.walk(method, data, tmp_path, callbacks=callbacks, accelerator="cpu", enable_progress_bar=False)
    assert "about 1 optimiser step a period" in caplog.text
