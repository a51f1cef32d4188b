"""The negatives of a pass: drawn anew in training, always alike in scoring, and never from later rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from data.passes import Clicks, clicks, reading

from asmg_pl.data import Batch, EqualRows, InteractionLog, PeriodDataModule, Reading
from asmg_pl.data.mini_batches.loader import MiniBatches
from asmg_pl.data.negatives import Fresh, Rule

#: Users and items of the rows whose users have met every item that has appeared by then.
ALONE = [(0, 0), (1, 0), (2, 0), (0, 1)]


def drawn(data: PeriodDataModule, chosen: Reading) -> list[tuple[int, int]]:
    """The user and item of each negative, in the order of the stream."""
    data.reading = chosen
    loader = data.train_dataloader()
    assert isinstance(loader, MiniBatches)
    pairs = []
    for batch in loader:
        positive = (batch.label == 1).nonzero().flatten().tolist()
        rows = [(int(batch.user[place]), int(batch.item[place])) for place in positive]
        assert batch.label.tolist() == [label for row in rows for label in ([1] if row in ALONE else [1, 0, 0])]
        own = [place for place, row in zip(positive, rows, strict=True) for _ in range(1 if row in ALONE else 3)]
        assert (batch.history_length[own] == batch.history_length).all()
        pairs += [
            (int(u), int(i)) for u, i, label in zip(batch.user, batch.item, batch.label, strict=True) if not label
        ]
    return pairs


def test_negatives_are_drawn_anew_in_each_training_pass_and_alike_after_a_resume() -> None:
    passes = [reading(2), reading(2, repeat=1), reading(2, name="generate")]
    found = [sorted(drawn(clicks(), chosen)) for chosen in passes]
    assert found == [sorted(drawn(clicks(), chosen)) for chosen in passes]
    assert found[0] != found[1] != found[2] != found[0]
    assert found[0] != sorted(drawn(clicks(seed=2), passes[0]))


def test_scoring_draws_the_same_negatives_whoever_scores_and_in_whatever_batches() -> None:
    scoring = [
        reading(3, name=name, repeat=repeat, training=False) for name in ("score", "select") for repeat in (0, 1)
    ]
    found = [drawn(clicks(scoring_batch_size=size), s) for size, s in zip((5, 7, 20, 50), scoring, strict=True)]
    assert all(pairs == found[0] for pairs in found)
    data = clicks(evaluate=[3])
    assert [pair for _, batch in data.test_dataloader() for pair in zip(*pairs_of(batch), strict=True)] == found[0]


def pairs_of(batch: Batch) -> tuple[list[int], list[int]]:
    return batch.user[batch.label == 0].tolist(), batch.item[batch.label == 0].tolist()


def test_no_item_of_a_later_period_is_a_negative() -> None:
    data = clicks()
    for period in (1, 2, 3):
        there = data.log.known(20 * period)[1]
        assert there < data.log.sizes.items or period == 3
        for training in (True, False):
            items = [item for _, item in drawn(data, reading(period, training=training))]
            assert max(items) < there
            assert len(set(items)) > 3


def test_no_item_of_a_later_row_is_a_negative() -> None:
    data = clicks(negatives=Fresh(20))
    for training in (True, False):
        data.reading = reading(1, 2, 3, training=training)
        for batch in data.train_dataloader():
            assert isinstance(batch, Batch)
            newest = 0
            for item, label in zip(batch.item.tolist(), batch.label.tolist(), strict=True):
                newest = item if label else newest  # items are numbered by their first row, three rows each
                assert item <= newest


def test_later_rows_change_no_negative_of_an_earlier_period() -> None:
    class Longer(Clicks):
        def read(self, root: Path | None) -> InteractionLog:
            more = pl.DataFrame({"user": [1] * 9, "item": range(9), "label": 1, "time": range(60, 69)})
            rows = pl.DataFrame({"user": [row % 5 for row in range(60)], "time": range(60)})
            rows = rows.with_columns(item=pl.col("time") // 3, label=1).select(more.columns)
            return InteractionLog.from_frame(pl.concat([rows, more], how="vertical_relaxed"))

    rules: tuple[Rule, Rule] = ("uniform", "popularity")
    for rule in rules:
        data = clicks(negatives=Fresh(2, rule))
        grown = PeriodDataModule(Longer(), periods=EqualRows(20), batch_size=6, negatives=Fresh(2, rule))
        for chosen in (reading(2), reading(2, training=False), reading(1, 2)):
            assert drawn(data, chosen) == drawn(grown, chosen)


def test_each_stream_side_by_side_has_negatives() -> None:
    data = clicks()
    data.reading = reading(2, 3, side_by_side=True)
    for batches in data.train_dataloader():
        for batch in batches:
            assert isinstance(batch, Batch)
            assert batch.label.mean() == pytest.approx(1 / 3)
