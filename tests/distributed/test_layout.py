"""Every row has one owner, and growth and other numbers of ranks move none between shards."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.distributed import Layout


@st.composite
def layouts(draw: st.DrawFn) -> list[Layout]:
    """The layouts of one table on all ranks."""
    shards = draw(st.integers(1, 12))
    ranks = draw(st.integers(1, shards))
    rows = draw(st.integers(1, 50))
    return [Layout(rows, shards, rank, ranks) for rank in range(ranks)]


@settings(deadline=None)
@given(layouts())
def test_each_row_is_held_by_its_owner_alone(layouts: list[Layout]) -> None:
    whole = torch.arange(layouts[0].rows)
    held = [layout.cut(whole) for layout in layouts]
    assert torch.equal(torch.cat(held).sort().values, whole)
    for layout, ids in zip(layouts, held, strict=True):
        assert len(ids) == layout.held
        assert (layout.owner(ids) == layout.rank).all()
        assert torch.equal(layout.local(ids), torch.arange(len(ids)))
        assert torch.equal(layout.ids(), ids)


@settings(deadline=None)
@given(layouts())
def test_the_newest_ids_are_dealt_out_to_all(layouts: list[Layout]) -> None:
    first = layouts[0]
    newest = torch.arange(first.rows)[-first.shards :]
    counts = torch.bincount(first.owner(newest), minlength=first.ranks)
    assert (counts <= first.per_rank).all()


@settings(deadline=None)
@given(layouts(), st.integers(0, 30))
def test_growth_appends_rows_and_moves_none(layouts: list[Layout], more: int) -> None:
    for old in layouts:
        new = Layout(old.rows + more, old.shards, old.rank, old.ranks)
        assert torch.equal(new.ids()[: old.held], old.ids())


@settings(deadline=None)
@given(layouts())
def test_all_ranks_together_are_one_tensor_cut_between_shards(layouts: list[Layout]) -> None:
    first = layouts[0]
    full = [layout.ids()[: layout.full * layout.own].view(layout.full, layout.own) for layout in layouts]
    assert torch.equal(torch.cat(full, 1), torch.arange(first.full * first.shards).view(first.full, first.shards))
    rest = [layout.ids()[layout.full * layout.own :] for layout in layouts]
    assert torch.equal(torch.cat(rest), torch.arange(first.full * first.shards, first.rows))


def test_a_whole_tensor_may_have_its_rows_along_another_axis() -> None:
    layout = Layout(7, 4, 1, 2)  # ids 2, 3 and 6
    snapshots = torch.arange(42).view(3, 7, 2)
    assert torch.equal(layout.cut(snapshots, axis=1), snapshots[:, [2, 3, 6]])
