"""Streams on disk give the batches that a log in memory gives, however they were appended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from slowness import slow_but

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream import StreamWriter, open_stream, read_names
from asmg_pl.errors import DataError


def random_rows(seed: int = 0, count: int = 400, moments: int = 40) -> pl.DataFrame:
    """Rows in the order of time, with many of the same user at the same moment, and two context features."""
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user": draw.integers(0, 15, count) * 7 + 3,
            "item": [f"item {n}" for n in draw.integers(0, 30, count)],
            "label": draw.integers(0, 2, count),
            "time": np.sort(draw.integers(0, moments, count)),
            "device": draw.choice(["phone", "desk"], count),
            "hour": draw.integers(0, 24, count),
        }
    )


def catalogue() -> pl.DataFrame:
    categories = [["even", "all"] if n % 2 == 0 else ["all", "odd", "rare"][: n % 3] for n in range(30)]
    return pl.DataFrame({"item": [f"item {n}" for n in range(30)], "categories": categories})


def assert_same_batches(one: InteractionLog, other: InteractionLog, history_size: int = 5) -> None:
    assert len(one) == len(other)
    assert one.sizes == other.sizes
    assert one.context_names == other.context_names
    rows = torch.randperm(len(one), generator=torch.Generator().manual_seed(1))
    for first, second in zip(one.batch(rows, history_size)[:-1], other.batch(rows, history_size)[:-1], strict=True):
        if first is None or second is None:
            assert first is second
        else:
            assert first.dtype == second.dtype
            assert torch.equal(first, second)


CUTS = [[], [200], [1, 2, 3, 150, 399], list(range(10, 400, 10))]


@pytest.mark.parametrize("cuts", slow_but([[], [200], [1, 2, 3, 150, 399]], CUTS))
@pytest.mark.parametrize("history", ["positive", "all"])
def test_appending_in_pieces_is_the_same_as_a_log_in_memory(tmp_path: Path, cuts: list[int], history: Any) -> None:
    rows = random_rows()
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        StreamWriter(tmp_path, history, carry=5).append(rows[begin:end], catalogue())
    memory = InteractionLog.from_frame(rows, catalogue(), positive_history=history == "positive")
    assert_same_batches(open_stream(tmp_path), memory)


def test_one_writer_may_append_many_times(tmp_path: Path) -> None:
    rows, writer = random_rows(), StreamWriter(tmp_path)
    for begin in range(0, 400, 100):
        writer.append(rows[begin : begin + 100], catalogue() if begin == 0 else None)
    assert_same_batches(open_stream(tmp_path), InteractionLog.from_frame(rows, catalogue()))


def test_context_features_keep_their_names(tmp_path: Path) -> None:
    StreamWriter(tmp_path).append(random_rows())
    assert open_stream(tmp_path).context_names == ("device", "hour")
    assert InteractionLog.from_frame(random_rows().drop("device")).context_names == ("hour",)


def test_names_are_kept_by_id(tmp_path: Path) -> None:
    rows = random_rows()
    StreamWriter(tmp_path).append(rows[:100])
    StreamWriter(tmp_path).append(rows[100:])
    log = open_stream(tmp_path)
    assert read_names(tmp_path, "users")[log.user.numpy()].to_list() == rows["user"].to_list()
    assert read_names(tmp_path, "items")[log.item.numpy()].to_list() == rows["item"].to_list()


def test_rows_earlier_than_the_streams_end_are_refused(tmp_path: Path) -> None:
    rows = random_rows()
    StreamWriter(tmp_path).append(rows[200:])
    with pytest.raises(DataError, match=r"earlier .* than the end of the stream"):
        StreamWriter(tmp_path).append(rows[:200])
    assert len(open_stream(tmp_path)) == 200
