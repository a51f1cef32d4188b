"""Numbers, lists, weights and further labels against the plainest reading of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
import torch
from data.featured import FEATURES, featured_rows

from asmg_pl.data import EqualCounts, Features, InteractionLog, PeriodDataModule, Reading
from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.loader import gathered
from asmg_pl.data.negatives import Fresh, beside
from asmg_pl.data.sizes import Feature
from asmg_pl.data.sources import Source
from asmg_pl.errors import ConfigError, DataError

FURTHER = ("numbers", "lists", "weight", "labels")


class Rows(Source):
    def read(self, root: object) -> InteractionLog:
        return InteractionLog.from_frame(featured_rows(), features=FEATURES)


def assert_same(one: Batch, other: Batch) -> None:
    for name in Batch._fields:
        first, second = getattr(one, name), getattr(other, name)
        if first is None or second is None:
            assert first is second, name
        else:
            assert first.dtype == second.dtype, name
            assert torch.equal(first.nan_to_num(-7.0), second.nan_to_num(-7.0)), name


def as_written(values: torch.Tensor) -> list[Any]:
    """Numbers with ``None`` for missing ones, rounded."""
    return [[None if value != value else round(value, 4) for value in row] for row in values.tolist()]


def test_batches_have_the_values_of_their_rows() -> None:
    frame, log = featured_rows(), InteractionLog.from_frame(featured_rows(), features=FEATURES)
    rows = torch.tensor([7, 3, 399, 3, 200])
    batch, chosen = log.batch(rows, 2), frame[rows.tolist()]
    assert batch.numbers is not None
    assert batch.lists is not None
    assert batch.weight is not None
    assert batch.labels is not None
    numbers = chosen.select(pl.col("price", "age").cast(pl.Float32).round(4)).rows()
    assert as_written(batch.numbers) == [[None if v is None else round(v, 4) for v in row] for row in numbers]
    labels = chosen.select(pl.col("buy", "dwell").cast(pl.Float32)).rows()
    assert as_written(batch.labels) == [[None if v is None else round(v, 4) for v in row] for row in labels]
    assert batch.weight.tolist() == chosen["weight"].cast(pl.Float32).to_list()
    for place, name in enumerate(("tags", "interests")):
        names = log.names[f"list-{place}"]()
        found = [[names[value] for value in row if value >= 0] for row in batch.lists[:, place].tolist()]
        assert found == [(values or [])[:3] for values in chosen[name].to_list()]
    assert batch.lists.dtype == torch.int64
    assert batch.numbers.dtype == batch.weight.dtype == batch.labels.dtype == torch.float32


def test_sizes_have_names_and_sides_and_the_values_of_the_past_alone() -> None:
    frame, log = featured_rows(), InteractionLog.from_frame(featured_rows(), features=FEATURES)
    sizes = log.sizes
    assert [(feature.name, feature.side) for feature in sizes.context_features] == [
        ("device", "row"),
        ("country", "user"),
    ]
    assert sizes.numbers == (Feature("price", "item"), Feature("age", "user"))
    assert sizes.labels == ("buy", "dwell")
    assert log.sizes_by(400) == sizes
    for rows in (250, 60, 120, 0):
        found, first = log.sizes_by(rows), frame[:rows]
        assert [f.name for f in found.lists] == ["tags", "interests"]
        for feature in found.lists:
            assert feature.values == first[feature.name].list.head(3).explode().drop_nulls().n_unique()
        assert found.context == tuple(feature.values for feature in found.context_features)
        assert found.context == tuple(first[name].n_unique() for name in ("device", "country"))


@pytest.mark.parametrize("sizes", [[5, 5, 5], [1, 14], [15]])
def test_bundles_and_single_mini_batches_are_the_same(sizes: Sequence[int]) -> None:
    log = Rows().read(None)
    cut = torch.arange(100, 115).split(list(sizes))
    for batch, rows in zip(gathered(log, cut, 2), cut, strict=True):
        assert_same(batch, log.batch(rows, 2))


def test_the_shares_of_processes_are_the_rows_of_one_process() -> None:
    reading = Reading("update", 2, (2,))
    whole = PeriodDataModule(Rows(), periods=EqualCounts(4), batch_size=32)
    pieces = PeriodDataModule(Rows(), periods=EqualCounts(4), batch_size=32, accumulate=3)
    whole.reading = pieces.reading = reading
    batches, shares = list(whole.train_dataloader()), list(pieces.train_dataloader())
    for number, batch in enumerate(batches):
        own = shares[3 * number : 3 * number + 3]
        for name in FURTHER:
            assert torch.equal(
                torch.cat([getattr(share, name) for share in own]).nan_to_num(-7.0),
                getattr(batch, name).nan_to_num(-7.0),
            )


def test_a_negative_has_the_features_of_its_positive_and_no_further_label() -> None:
    batch = Rows().read(None).batch(torch.tensor([1, 5]), 2)
    found = beside(batch, torch.tensor([[4, -1], [2, 3]]))
    assert found.numbers is not None
    assert found.labels is not None
    assert batch.labels is not None
    assert batch.numbers is not None
    assert torch.equal(found.numbers.nan_to_num(), batch.numbers[[0, 0, 1, 1, 1]].nan_to_num())
    for name in ("lists", "weight"):
        assert torch.equal(getattr(found, name), getattr(batch, name)[[0, 0, 1, 1, 1]])
    for row, positive in enumerate([0, 0, 1, 1, 1]):
        expected = batch.labels[positive] if row in (0, 2) else batch.labels[positive] * 0
        assert torch.equal(found.labels[row].nan_to_num(-7.0), expected.nan_to_num(-7.0))


def test_negatives_of_items_with_features_are_refused() -> None:
    log = InteractionLog.from_frame(featured_rows().with_columns(label=1), features=FEATURES)
    with pytest.raises(ConfigError, match="whose price at the time of the row is not in the stream"):
        Fresh(1).index(log, torch.device("cpu"))


def test_the_fingerprint_covers_every_feature() -> None:
    frame = featured_rows()
    plain = InteractionLog.from_frame(frame, features=FEATURES).fingerprint(100)
    for name, other in {"price": 3.25, "tags": ["x"], "weight": 0.75, "buy": 0.5}.items():
        changed = frame.with_columns(
            pl.when(pl.int_range(pl.len()) == 50).then(pl.lit(other)).otherwise(name).alias(name)
        )
        log = InteractionLog.from_frame(changed, features=FEATURES)
        assert log.fingerprint(100) != plain
        assert log.fingerprint(50) == InteractionLog.from_frame(frame, features=FEATURES).fingerprint(50)


ROWS = pl.DataFrame({"user": [1, 2], "item": [1, 2], "label": [0, 1], "time": [1, 2]})


@pytest.mark.parametrize(
    ("column", "features", "message"),
    [
        (pl.Series("a", ["x", "y"]), Features(numbers=("a",)), "'a' of the stream holds String: cast it to numbers"),
        (pl.Series("a", [1.0, 1e39]), Features(numbers=("a",)), "has 1e\\+39 in row 1, which is no number of 32 bits"),
        (pl.Series("a", [1.0, None]), Features(weight="a"), "weights that are missing or below 0"),
        (pl.Series("a", [1.0, -1.0]), Features(weight="a"), "weights that are missing or below 0"),
        (pl.Series("a", [1.0, 20.0]), Features(labels=("a",)), "labels below 0 or above 1: scale them"),
        (pl.Series("a", ["x", "y"]), Features(lists=("a",)), "make it a list for each row"),
        (pl.Series("a", [[1.5], [2.5]]), Features(lists=("a",)), "hold Float64: cast them to integers or strings"),
        (pl.Series("a", [1, 2]), Features(numbers=("b",)), "no column 'b'"),
    ],
)
def test_wrong_columns_are_named(column: pl.Series, features: Features, message: str) -> None:
    with pytest.raises(DataError, match=message):
        InteractionLog.from_frame(ROWS.with_columns(column), features=features)


def test_a_description_gives_each_column_one_meaning() -> None:
    with pytest.raises(ConfigError, match="'a' is given two meanings"):
        Features(numbers=("a",), labels=("a",))
    with pytest.raises(ConfigError, match="'a' is given two meanings"):
        Features(numbers=("a",), users=("a",), items=("a",))
    with pytest.raises(ConfigError, match="at least 1 value"):
        Features(lists=("a",), list_size=0)


def test_lists_may_all_be_empty_or_missing() -> None:
    cases: list[list[list[str] | None]] = [[None, None], [[], []], [None, []]]
    for values in cases:
        log = InteractionLog.from_frame(ROWS.with_columns(pl.Series("a", values)), features=Features(lists=("a",)))
        assert log.batch(torch.arange(2), 0).lists.tolist() == [[[-1] * 16]] * 2  # type: ignore[union-attr]
        assert log.sizes.lists == (Feature("a", "row", 0),)
