"""Kept rows: moments of several periods together are those of all of their rows."""

from __future__ import annotations

import pytest
import torch

from asmg_pl.updaters.guarding.kept_rows import KeptRows, Moments


def rows(count: int, seed: int, weight: float | torch.Tensor = 1.0) -> KeptRows:
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 4, generator=draw) * torch.tensor([1.0, 3.0, 0.0, 0.1]) + 7.0
    return KeptRows(features, (torch.rand(count, generator=draw) < 0.5).float(), weight)


def test_moments_of_periods_are_those_of_all_rows_where_old_ones_count_less() -> None:
    weights = torch.rand(30, generator=torch.Generator().manual_seed(9)).double()
    kept, counts = [rows(50, 1, 2.5), rows(30, 2, weights), rows(1, 3)], [0.64, 0.8, 1.0]
    found = Moments.together([each.moments for each in kept], torch.tensor(counts).double())
    features = torch.cat([each.features for each in kept]).double()
    weight = torch.cat([each.counting(count).weight for each, count in zip(kept, counts, strict=True)])
    mean = (weight @ features) / weight.sum()
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.deviation, ((weight @ (features - mean).square()) / weight.sum()).sqrt())
    assert found.deviation[2] < 1e-6, "the third feature never varies"


def test_rows_come_back_from_their_state_as_they_were() -> None:
    kept = rows(20, 4, torch.rand(20).double())
    again = KeptRows.from_state(*kept.state)
    for before, after in zip(
        (*kept.rows, *kept.moments, kept.bounds), (*again.rows, *again.moments, again.bounds), strict=True
    ):
        assert torch.equal(before, after)


def test_a_state_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="a period without rows"):
        KeptRows.from_state(torch.zeros(0, 4), torch.zeros(0), 1.0)
