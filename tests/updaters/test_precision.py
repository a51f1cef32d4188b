"""Mixed precision: matrix products of a training step in bfloat16, all else in float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from asmg_pl.updaters import ADER, ASMG, EWC, SML, SPMF, IncCTR, IncrementalUpdate, Updater


@pytest.mark.parametrize("method", [IncrementalUpdate, ASMG, IncCTR, EWC, SPMF, ADER, SML])
def test_scores_stay_close_and_parameters_stay_float32(short_walk: Any, method: Callable[..., Updater]) -> None:
    full, mixed = (short_walk(method, precision=precision) for precision in ("32-true", "bf16-mixed"))
    assert all(t.dtype is not torch.bfloat16 for t in mixed.state_dict().values() if isinstance(t, torch.Tensor))
    for period, result in full.results.items():
        for model, scores in result.scores.items():
            found = mixed.results[period].scores[model]
            assert math.isclose(found["logloss"], scores["logloss"], abs_tol=0.01)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(full.recommender.parameters(), mixed.recommender.parameters(), strict=True)
    )


def test_scores_and_generated_parameters_are_not_rounded(short_walk: Any) -> None:
    updater = short_walk(ASMG)
    data = updater.data
    batch = data.log.batch(torch.arange(16), data.history_size)
    scored: list[torch.dtype] = []
    for model in (updater.recommender, updater.generated):
        model.mlp.register_forward_hook(lambda module, args, output: scored.append(output.dtype))
    plain = updater.generated_logits((batch,) * 3)
    with torch.autocast("cpu", torch.bfloat16):
        updater.score(3, batch)
        assert scored[-2:] == [torch.float32, torch.float32]
        updater.recommender(batch)
        assert scored[-1] is torch.bfloat16
        mixed = updater.generated_logits((batch,) * 3)
    for a, b in zip(plain, mixed, strict=True):
        torch.testing.assert_close(b.float(), a, atol=0.02, rtol=0)
