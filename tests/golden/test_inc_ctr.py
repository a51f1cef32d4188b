"""IncCTR's mixed loss against the published code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import IncCTR


def test_the_mixed_loss_is_the_published_one(
    base_model: Callable[[int], EmbeddingMLP],
    batches: list[tuple[Batch, ...]],
    golden: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updater = IncCTR(Sizes(13, 17, 5), distillation=0.2)
    updater.recommender.load_state_dict(base_model(0).state_dict())
    soft_label = golden["incctr/soft_label"]
    monkeypatch.setattr(updater.teacher, "forward", lambda batch: soft_label.logit())
    torch.testing.assert_close(updater.loss(batches[0][0]).detach(), golden["incctr/loss"], atol=1e-6, rtol=0)
