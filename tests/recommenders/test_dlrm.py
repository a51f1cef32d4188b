"""DLRM against a plain loop over pairs of fields."""

from __future__ import annotations

import pytest
import torch
from recommenders.test_features import SIZES, looked_up, made

from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import DLRM
from asmg_pl.recommenders.pooling import joined_fields
from asmg_pl.testing.samples import sample_batch


@pytest.mark.parametrize("sizes", [SIZES, SIZES._replace(numbers=()), Sizes(11, 13)])
@torch.no_grad()
def test_it_is_its_description_in_a_plain_loop(sizes: Sizes) -> None:
    model, batch = made(DLRM, sizes), sample_batch(sizes)
    assert isinstance(model, DLRM)
    vectors = list(joined_fields(batch, looked_up(model, batch), model.features).unbind(1))
    dense = []
    if sizes.numbers:
        assert model.bottom is not None
        assert batch.numbers is not None
        columns = torch.stack([batch.numbers.nan_to_num(0.0), batch.numbers.isnan().float()], dim=2).flatten(1)
        dense = [model.bottom(columns).relu()]
    vectors = [*dense, *vectors]
    pairs = [(vectors[row] * vectors[column]).sum(1) for row in range(len(vectors)) for column in range(row)]
    expected = model.top(torch.cat([*dense, torch.stack(pairs, dim=1)], dim=1)).squeeze(1)
    torch.testing.assert_close(model(batch), expected, atol=1e-4, rtol=1e-4)
