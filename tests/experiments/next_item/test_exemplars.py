"""ADER's exemplars: their shares, their choice by herding, and the distillation loss and its weight."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from asmg_pl.experiments.next_item import FULL
from asmg_pl.experiments.next_item.exemplars import Replay, choose, distillation_weight
from asmg_pl.experiments.next_item.model import build, grow, logits, states
from asmg_pl.experiments.next_item.sessions import Sessions
from asmg_pl.recommenders import SASRec
from asmg_pl.updaters.objectives import FullSoftmax

SETTINGS = replace(FULL, width=8, places=4)


@pytest.fixture
def sessions() -> Sessions:
    """60 sessions of 5 clicks on 6 items, the first of which is clicked most."""
    draw = torch.Generator().manual_seed(2)
    items = (torch.rand(300, generator=draw).square() * 6).long()
    return Sessions.of(torch.arange(60).repeat_interleave(5), items)


@pytest.fixture
def model() -> SASRec:
    return build(SETTINGS, 0.3, known=6).eval()


def test_an_items_share_is_how_often_it_is_the_target(sessions: Sessions, model: SASRec) -> None:
    candidates = sessions.examples()
    chosen = choose(model, sessions, candidates, 48, places=4, rows=50)
    assert len(chosen) == len(chosen.unique()) == 48
    assert torch.isin(chosen, candidates).all()
    have, targets = (sessions.items[rows].bincount(minlength=6) for rows in (chosen, candidates))
    assert ((have - targets * 48 / len(candidates)).abs() < 1).all()


def test_an_items_exemplars_are_herded_by_the_last_states(sessions: Sessions, model: SASRec) -> None:
    candidates = sessions.examples()
    chosen = choose(model, sessions, candidates, 48, places=4, rows=50).tolist()
    with torch.no_grad():
        features = states(model, sessions.batch(candidates, 4))
    of_item = (sessions.items[candidates] == 0).nonzero().squeeze(1)
    quota = sum(int(sessions.items[row]) == 0 for row in chosen)
    herded: list[int] = []
    for _ in range(quota):
        left = [row for row in of_item.tolist() if row not in herded]
        means = [features[[*herded, row]].mean(0) for row in left]
        gaps = [float((features[of_item].mean(0) - mean).norm()) for mean in means]
        herded.append(left[gaps.index(min(gaps))])
    assert sorted(candidates[herded].tolist()) == [row for row in chosen if sessions.items[row] == 0]


def test_all_candidates_are_kept_where_there_are_fewer_than_the_budget(sessions: Sessions, model: SASRec) -> None:
    candidates = sessions.examples()[:7]
    assert torch.equal(choose(model, sessions, candidates, 9, places=4, rows=50), candidates)


def test_the_weight_of_distillation_is_that_of_the_paper() -> None:
    found = distillation_weight(0.8, known_before=18_569, known=22_045, exemplars=30_000, examples=24_000)
    assert found == pytest.approx(0.8 * math.sqrt(18_569 / 22_045 * 30_000 / 24_000))


def test_distillation_is_over_the_items_that_the_teacher_knows(sessions: Sessions, model: SASRec) -> None:
    student = build(SETTINGS, 0.0, known=6)
    with torch.no_grad():
        student.newcomer.add_(0.1)
        student.stored("item").mul_(2)
    grow(student, 9, first=6, seed=3)
    exemplars = sessions.examples()[::9]
    replay = Replay(model, sessions, exemplars, weight=0.5, places=4)
    replay.begin_epoch(1)
    batch = sessions.batch(exemplars, 4)
    labels = logits(model, batch).softmax(1)
    expected = -(labels * logits(student, batch)[:, :6].log_softmax(1)).sum(1).mean()
    assert float(replay.loss(student, 0).detach()) == pytest.approx(0.5 * float(expected.detach()), rel=1e-5)


def test_an_epoch_reads_each_exemplar_once(sessions: Sessions, model: SASRec) -> None:
    exemplars = sessions.examples()[:50]
    replay = Replay(model, sessions, exemplars, weight=0.5, places=4)
    replay.begin_epoch(60)
    assert torch.equal(torch.cat(replay._parts).sort().values, exemplars)
    assert float(replay.loss(model, 59)) == 0, "fewer exemplars than steps"


# ---- the model


def test_its_loss_is_the_full_softmax_of_the_walks(sessions: Sessions, model: SASRec) -> None:
    batch = sessions.batch(sessions.examples()[:40], 4)
    ranked = batch._replace(candidates=torch.arange(6), log_expected=torch.zeros(6))
    found = torch.nn.functional.cross_entropy(logits(model, batch), batch.item)
    assert float(found.detach()) == pytest.approx(float(FullSoftmax().loss(model(ranked), ranked).detach()), rel=1e-5)


def test_a_table_that_grows_keeps_its_rows_and_new_ones_depend_on_their_number_alone() -> None:
    at_once, by_steps = build(SETTINGS, 0.0, known=5), build(SETTINGS, 0.0, known=5)
    first = by_steps.stored("item").detach().clone()
    for known in (7, 11):
        grow(by_steps, known, 5, SETTINGS.seed)
    grow(at_once, 11, 5, SETTINGS.seed)
    assert torch.equal(at_once.stored("item"), by_steps.stored("item"))
    assert torch.equal(by_steps.stored("item")[:5], first)
