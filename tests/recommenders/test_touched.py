"""Which rows a step touches, and all rows in chunks."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.recommenders.touched import chunks, read_after, touched_rows


@pytest.mark.parametrize("table_rows", [4, 1000])
def test_touched_rows_are_distinct_and_hold_every_id_at_its_place(table_rows: int) -> None:
    ids = [torch.tensor([[3, 1], [1, 1]]), torch.arange(4).repeat(20), torch.tensor([], dtype=torch.long)]
    touched, places = touched_rows(ids, table_rows)
    assert sorted(touched.tolist()) == [0, 1, 2, 3]
    for asked, place in zip(ids, places, strict=True):
        assert torch.equal(touched[place], asked)


def test_rows_are_read_after_the_last_snapshots() -> None:
    places = [torch.tensor([[0, 2], [2, 2]]), torch.tensor([], dtype=torch.long)]
    assert read_after(places, 3, snapshots=3).tolist() == [[False] * 3, [True, False, True], [False] * 3]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_chunks_cover_a_table_once_and_in_order(size: int) -> None:
    parts = list(chunks(2, 9, size, torch.device("cpu")))
    assert torch.equal(torch.cat(parts), torch.arange(2, 9))
    assert max(map(len, parts)) == min(size, 7)
    assert not list(chunks(9, 9, size, torch.device("cpu")))
