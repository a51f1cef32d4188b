"""No updater lets a row's label take part in the score of a row of the same period."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from updaters.test_growth import UPDATERS

from asmg_pl.testing.rules import Rules
from asmg_pl.testing.walks import ROWS, Listener, short_walk

TURNED = 6  # the period whose labels are turned round
SHORT = {"pretrain_periods": 2, "pretrain_epochs": 2, "test_from": 6}


@pytest.mark.parametrize("name", UPDATERS)
def test_labels_change_the_scores_of_later_periods_only(name: str) -> None:
    original, turned = Listener(Rules(UPDATERS[name])), Listener(Rules(UPDATERS[name]))
    updater = partial(UPDATERS[name], **SHORT)
    short_walk(updater, 7, listener=original)
    short_walk(updater, 7, listener=turned, turned=range((TURNED - 1) * ROWS, TURNED * ROWS))
    assert {period for period, _ in original.logits} == {3, 4, 5, 6, 7}
    for (period, model), values in original.logits.items():
        unchanged = period <= TURNED or name == "Frozen"
        assert torch.equal(values, turned.logits[period, model]) == unchanged, (period, model)
