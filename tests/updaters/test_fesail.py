"""FeSAIL: which rows are replayed, and what holds them back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import FeSAIL, IncrementalUpdate, Updater

Walk = Callable[..., Updater]
PERIOD = 60


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


class Watched(FeSAIL):
    """Notes the rows that are replayed, when ids were last seen, and the parts of the first loss."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: dict[int, tuple[torch.Tensor, dict[str, torch.Tensor]]] = {}

    def take_staleness(self, period: int) -> None:
        self.seen[period] = self.replayed.clone(), {kind: seen.clone() for kind, seen in self.last_seen.items()}
        super().take_staleness(period)


@pytest.fixture
def watched(short_walk: Walk) -> Watched:
    updater = short_walk(Watched, replay=0.2)
    assert isinstance(updater, Watched)
    assert updater.seen
    return updater


def test_replayed_rows_are_old_and_each_covers_an_id_without_a_new_row(watched: Watched) -> None:
    log = watched.data.log
    for period, (rows, _) in watched.seen.items():
        assert 0 < len(rows) <= 0.2 * PERIOD
        assert rows.max() < (period - 1) * PERIOD, "a row of the new period"
        new = slice((period - 1) * PERIOD, period * PERIOD)
        stale = ~torch.isin(log.user[rows], log.user[new]) | ~torch.isin(log.item[rows], log.item[new])
        assert stale.all()
        assert len(rows.unique()) == len(rows)


def test_ids_are_as_stale_as_their_last_row(watched: Watched) -> None:
    log = watched.data.log
    for period, (_, seen) in watched.seen.items():
        for kind, column in (("user", log.user), ("item", log.item)):
            for index, last in enumerate(seen[kind].tolist()):
                rows = (column[: period * PERIOD] == index).nonzero()
                assert last == int(rows.max()) // PERIOD + 1


def test_the_loss_is_a_mean_over_new_and_replayed_rows_that_holds_stale_vectors_back(
    short_walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    updater = short_walk(FeSAIL, regularization=2.0)
    assert isinstance(updater, FeSAIL)
    log, losses = updater.data.log, []
    monkeypatch.setattr(updater, "step_optimizer", lambda _, loss: losses.append(loss))
    new, old = log.batch(torch.arange(400, 410), 5), log.batch(torch.arange(100, 106), 5)
    staleness = {"user": torch.arange(15.0) / 10, "item": torch.arange(20.0).flip(0) / 10}
    updater._staleness = staleness
    updater.update_beside((new, old))
    model, before = updater.recommender, updater.before
    both = [F.binary_cross_entropy_with_logits(model(b), b.label, reduction="sum") for b in (new, old)]
    held = 0.0
    for row, (user, item) in enumerate(zip(old.user.tolist(), old.item.tolist(), strict=True)):
        stale = max(float(staleness["user"][user]), float(staleness["item"][item]))
        for name, ids in model.lookups(old).items():
            of_row = ids[row].flatten()
            squares = (model.table(name)[of_row] - before.table(name)[of_row]).square().sum(1)
            held += stale * squares.mean().item() / 6
    assert held > 0
    assert losses[0].item() == pytest.approx(torch.stack(both).sum().item() / 16 + 2.0 * held, rel=1e-4)


def test_without_replay_it_is_plain_incremental_update(short_walk: Walk) -> None:
    plain, none, some = short_walk(IncrementalUpdate), short_walk(FeSAIL, replay=0.0), short_walk(FeSAIL)
    assert torch.equal(weights(plain.recommender), weights(none.recommender))
    assert repr(plain.results[3]) == repr(some.results[3])
    assert repr(plain.results[5]) != repr(some.results[5])


def test_row_by_row_the_gradient_has_touched_rows_alone(short_walk: Walk) -> None:
    updater = short_walk(FeSAIL, row_wise=True)
    assert isinstance(updater, FeSAIL)
    old = updater.data.log.batch(torch.tensor([100, 101]), 0)
    updater.recommender.zero_grad()
    _, moved = updater.moved(old)
    moved.sum().backward()
    gradient = updater.recommender.table("item").grad
    assert gradient is not None
    assert gradient.is_sparse
    assert set(gradient.coalesce().indices()[0].tolist()) == set(old.item.tolist())


@pytest.mark.parametrize("settings", [{"replay": -0.1}, {"replay": math.nan}, {"regularization": -1.0}])
def test_bad_settings_are_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{next(iter(settings))} must not be negative"):
        FeSAIL(Sizes(5, 5), **settings)
