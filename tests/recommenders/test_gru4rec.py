"""GRU4Rec against a plain loop over entries, written from its description."""

from __future__ import annotations

import torch
from recommenders.test_embedding_mlp import draw
from recommenders.test_next_item import model, states
from torch import nn

from asmg_pl.recommenders import GRU4Rec


def test_states_are_those_of_a_cell_that_reads_the_oldest_entry_first() -> None:
    recommender, batch = model("GRU4Rec"), draw(categories=False)
    assert isinstance(recommender, GRU4Rec)
    cell = nn.GRUCell(32, 32)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in recommender.gru.state_dict().items()})
    found = states(recommender, batch)
    for row, length in enumerate(batch.history_length.tolist()):
        state = torch.zeros(32)
        for place in reversed(range(length)):
            state = cell(recommender.table("item")[batch.history[row, place]], state)
            torch.testing.assert_close(found[row, place], state.detach())
