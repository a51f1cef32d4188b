"""The plain incremental update, alone and as the base sequence of ASMG."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning import Trainer

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import PeriodDataModule
from asmg_pl.data.cutting.periods import EqualCounts
from asmg_pl.data.log import Sizes
from asmg_pl.data.sources import DriftingStream
from asmg_pl.generators import GRUGenerator
from asmg_pl.updaters import ASMG, IncrementalUpdate, Updater


def walk(kind: type[Updater], **options: Any) -> Any:
    """Walk a stream of 7 periods with 40 rows each; the first two pre-train."""
    torch.manual_seed(5)
    source = DriftingStream(users=15, items=20, rows=280, categories=3)
    data = PeriodDataModule(source, periods=EqualCounts(7), batch_size=16, history_size=5)
    updater = kind(data.sizes, pretrain_periods=2, pretrain_epochs=2, learning_rate=0.01, **options)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[PeriodLoop()],
    )
    trainer.fit(updater, data)
    return updater


def test_a_period_is_scored_and_then_trained_on_alone() -> None:
    phases = IncrementalUpdate(Sizes(5, 5), passes=2).phases(12)
    assert [(p.name, p.reading.periods, p.trains, p.repeat) for p in phases] == [
        ("score", (12,), False, 0),
        ("update", (12,), True, 0),
        ("update", (12,), True, 1),
    ]


def test_the_model_that_is_updated_is_the_one_that_serves() -> None:
    updater = IncrementalUpdate(Sizes(5, 5))
    models = updater.scored_models()
    assert list(models) == ["serving"]
    assert models["serving"] is updater.recommender


@pytest.fixture(scope="module")
def walks() -> tuple[IncrementalUpdate, ASMG]:
    return walk(IncrementalUpdate), walk(ASMG, generator=GRUGenerator, window=2)


def test_the_base_sequence_of_asmg_is_plain_incremental_update_bit_for_bit(
    walks: tuple[IncrementalUpdate, ASMG],
) -> None:
    plain, asmg = walks
    for ours, theirs in zip(asmg.recommender.parameters(), plain.recommender.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert list(plain.results) == [3, 4, 5, 6, 7]
    for period, result in plain.results.items():
        found = asmg.results[period].scores["incremental"]
        assert str(found) == str(result.scores["serving"])  # by their repr, nan is nan


def test_asmg_generates_the_base_model_until_its_first_training_and_another_one_from_then_on(
    walks: tuple[IncrementalUpdate, ASMG],
) -> None:
    # Pushes follow periods 3, 4, …; with k = 2 the generator is first trained when 5 arrives, so it first serves 6.
    _, asmg = walks
    same = {p: str(r.scores["generated"]) == str(r.scores["incremental"]) for p, r in asmg.results.items()}
    assert same == {3: True, 4: True, 5: True, 6: False, 7: False}


def test_asmg_pushes_once_a_period_and_carries_its_state(walks: tuple[IncrementalUpdate, ASMG]) -> None:
    _, asmg = walks
    assert asmg.history.pushes == 5
    newest = asmg.history.dense_window()[0][-1]
    assert torch.equal(newest, torch.cat([p.detach().flatten() for p in asmg.recommender.dense_parameters().values()]))
    assert asmg.history.dense_hidden.any(dim=1).all()


def test_a_step_of_the_generator_takes_a_batch_of_each_period() -> None:
    seen: list[list[int]] = []

    class Watched(ASMG):
        def train_generator(self, batches: tuple[Any, ...]) -> None:
            seen.append([len(batch.label) for batch in batches])
            super().train_generator(batches)

    walk(Watched, window=2)
    # Periods 5, 6 and 7 have ⌈40 / 16⌉ steps each, and every row is in one of them.
    assert len(seen) == 9
    assert [sum(sizes) for sizes in zip(*seen[:3], strict=True)] == [40, 40]
