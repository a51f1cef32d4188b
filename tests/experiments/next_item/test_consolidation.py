"""EWC's importances and penalty, against their definitions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from asmg_pl.experiments.next_item import SMALL
from asmg_pl.experiments.next_item.consolidation import Consolidation
from asmg_pl.experiments.next_item.model import build, grow, logits
from asmg_pl.experiments.next_item.sessions import Sessions

SETTINGS = replace(SMALL, width=4, places=3, batch_size=5, consolidation=3.0)


def test_importance_is_the_mean_of_squared_gradients_and_new_items_cost_nothing() -> None:
    draw = torch.Generator().manual_seed(2)
    sessions = Sessions.of(torch.arange(24) // 6, torch.randint(7, (24,), generator=draw))
    model, examples = build(SETTINGS, 0.0, known=7), sessions.examples()[:10]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = Consolidation.of(model, sessions, examples, SETTINGS)
    expected = torch.zeros(())
    for part in examples.split(5):
        batch = sessions.batch(part, 3)
        loss = F.cross_entropy(logits(model, batch), batch.item)
        expected = expected + 5 * torch.autograd.grad(loss, model.stored("item"))[0].square() / 2
    torch.testing.assert_close(found.importance["tables.item.weight"], expected)
    assert found.loss(model, 0).item() == 0.0
    grow(model, 9, 7, seed=1)
    assert found.loss(model, 0).item() == 0.0
    with torch.no_grad():
        model.stored("item")[7:] += 1.0
        model.stored("item")[:7] += 0.1
    penalty = 3.0 / 2 * float(found.importance["tables.item.weight"].sum()) * 0.1**2
    assert found.loss(model, 0).item() == pytest.approx(penalty, rel=1e-4)
    assert all(torch.equal(found.anchor[name], before[name]) for name in found.anchor)
