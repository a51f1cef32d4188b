"""What has the rows of a table is found by what it is, not by how it is called."""

from __future__ import annotations

from functools import partial

from updaters.remembering import Remembering

from asmg_pl.data.log import Sizes
from asmg_pl.generators import RowGenerator
from asmg_pl.generators.table_entries import table_entries
from asmg_pl.recommenders import Hashed
from asmg_pl.updaters import ASMG, SML

SIZES = Sizes(5, 6)


def test_models_snapshots_and_states_are_found_under_any_name() -> None:
    assert table_entries(Remembering(SIZES)) == {
        "recommender.tables.user.weight": ("user", 0),
        "recommender.tables.item.weight": ("item", 0),
        **{f"{name}.tables.{table}": (table, 1) for name in ("snapshots", "all_so_far") for table in ("user", "item")},
        **{f"{name}.hidden.{table}": (table, 0) for name in ("snapshots", "all_so_far") for table in ("user", "item")},
    }


def test_entries_are_those_of_the_state_and_have_the_tables_rows() -> None:
    for updater in (
        ASMG(SIZES, window=2),
        ASMG(SIZES, generator=RowGenerator),
        SML(SIZES),
        ASMG(SIZES, recommender=partial(Hashed, items=4)),
    ):
        state, rows = updater.state_dict(), {n: len(t) for n, t in updater.recommender.table_parameters().items()}
        found = table_entries(updater)
        assert {state[name].shape[axis] == rows[table] for name, (table, axis) in found.items()} == {True}
        assert {name.split(".")[0] for name in found} == {name.split(".")[0] for name in state if "tables" in name} - {
            "transfer"
        }
