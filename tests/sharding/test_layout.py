"""Every row has one owner, and growth and other numbers of ranks move none between shards."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from asmg_pl.sharding import Layout


@st.composite
def layouts(draw: st.DrawFn) -> list[Layout]:
    """The layouts of one table on all ranks."""
    shards = draw(st.integers(1, 12))
    ranks = draw(st.integers(1, shards))
    rows = draw(st.integers(1, 50))
    return [Layout(rows, shards, rank, ranks) for rank in range(ranks)]


@given(layouts())
def test_each_row_is_held_by_its_owner_alone(layouts: list[Layout]) -> None:
    whole = torch.arange(layouts[0].rows)
    held = [layout.cut(whole) for layout in layouts]
    assert torch.equal(torch.cat(held).sort().values, whole)
    for layout, ids in zip(layouts, held, strict=True):
        assert len(ids) == layout.real <= layout.held
        assert (layout.owner(ids) == layout.rank).all()
        assert torch.equal(layout.local(ids), torch.arange(len(ids)))
        assert torch.equal(layout.ids()[layout.local(ids)], ids)
        assert len(layout.padded(ids)) == layout.held


@given(layouts())
def test_the_newest_ids_are_dealt_out_to_all(layouts: list[Layout]) -> None:
    first = layouts[0]
    newest = torch.arange(first.rows)[-first.shards :]
    counts = torch.bincount(first.owner(newest), minlength=first.ranks)
    assert (counts <= first.per_rank).all()


@given(layouts(), st.integers(0, 30))
def test_growth_appends_rows_and_moves_none(layouts: list[Layout], more: int) -> None:
    for old in layouts:
        new = Layout(old.rows + more, old.shards, old.rank, old.ranks)
        assert torch.equal(new.ids()[: old.real], old.ids()[: old.real])


@given(layouts())
def test_all_ranks_together_are_one_tensor_cut_between_shards(layouts: list[Layout]) -> None:
    first = layouts[0]
    alone = Layout(first.rows, first.shards, 0, 1).ids().view(first.places, first.shards)
    parts = [layout.ids().view(layout.places, layout.own) for layout in layouts]
    assert torch.equal(torch.cat(parts, 1), alone)


def test_a_whole_tensor_may_have_its_rows_along_another_axis() -> None:
    layout = Layout(5, 4, 1, 2)  # ids 2, 3 and the padding 6, 7
    snapshots = torch.arange(30).view(3, 5, 2)
    rows = layout.cut(snapshots, axis=1)
    assert torch.equal(rows, snapshots[:, [2, 3]])
    assert torch.equal(layout.padded(rows, axis=1), torch.cat([rows, torch.zeros(3, 2, 2, dtype=torch.int64)], 1))
