"""Columns that are compacted give the same mini-batches from as little of the sequence as there can be."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.columns import Columns

ENTRIES = 12

#: Where a history begins and ends in the sequence.
spans = st.tuples(st.integers(0, ENTRIES), st.integers(0, ENTRIES)).map(sorted)


def columns(histories: list[list[int]]) -> Columns:
    begin, end = torch.tensor(histories, dtype=torch.int32).view(-1, 2).unbind(1)
    rows = torch.arange(len(end), dtype=torch.int32)
    sequence = torch.arange(100, 100 + ENTRIES, dtype=torch.int32)
    length = (end - begin).to(torch.uint8)
    return Columns(rows, rows + 50, (rows % 2).to(torch.uint8), rows.long(), end, length, sequence, (rows % 3,))


def read(batch: Batch) -> list[Tensor]:
    return [column for column in batch[:-1] if column is not None]


@settings(max_examples=200, deadline=None)
@given(st.lists(spans, max_size=15), st.integers(0, ENTRIES))
def test_a_compact_sequence_has_each_entry_of_the_histories_once(histories: list[list[int]], size: int) -> None:
    whole = columns(histories)
    compact = whole.compact(size)
    rows = torch.arange(len(histories))
    assert all(map(torch.equal, read(compact.batch(rows, size)), read(whole.batch(rows, size))))
    read_ones = {place for begin, end in histories for place in range(max(begin, end - size), end)}
    assert compact.sequence.tolist() == [100 + place for place in sorted(read_ones)]
    assert [column.dtype for column in compact[:7]] == [column.dtype for column in whole[:7]]


@settings(max_examples=100, deadline=None)
@given(st.lists(spans, max_size=8), st.lists(spans, max_size=8), st.integers(0, ENTRIES))
def test_columns_one_after_the_other_have_the_rows_of_both(
    first: list[list[int]], second: list[list[int]], size: int
) -> None:
    pieces = [columns(first), columns(second).compact(size)]
    joined = Columns.concatenate(pieces)
    rows = torch.arange(len(first) + len(second))
    expected = [piece.batch(torch.arange(piece.rows), size) for piece in pieces]
    for found, *parts in zip(read(joined.batch(rows, size)), *map(read, expected), strict=True):
        assert torch.equal(found, torch.cat(parts))
