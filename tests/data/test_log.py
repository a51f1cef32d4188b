"""The interaction log against the plainest possible reading of the same rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from asmg_pl.data.log import InteractionLog, Sizes
from asmg_pl.errors import DataError


def frame(*rows: tuple[int | str, int | str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user", "item", "label", "time"], orient="row")


def random_rows(seed: int = 0, count: int = 2000, users: int = 40, moments: int = 60) -> pl.DataFrame:
    """Rows in any order, with many of the same user at the same moment."""
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user": random.integers(0, users, count) * 7 + 3,
            "item": random.integers(0, 50, count) * 5 + 1,
            "label": random.integers(0, 2, count),
            "time": random.integers(-moments // 2, moments // 2, count),
        }
    )


def histories(log: InteractionLog, size: int) -> list[list[int]]:
    batch = log.batch(torch.arange(len(log)), size)
    return [row[:length].tolist() for row, length in zip(batch.history, batch.history_length, strict=True)]


def brute_force_histories(log: InteractionLog, size: int, positive: bool) -> list[list[int]]:
    rows = list(zip(log.user.tolist(), log.item.tolist(), log.label.tolist(), log.time.tolist(), strict=True))
    found = []
    for user, _, _, time in rows:
        past = [item for other, item, label, when in rows if other == user and when < time and (label or not positive)]
        found.append(past[::-1][:size])
    return found


def test_rows_are_sorted_by_time_and_ties_keep_their_order() -> None:
    log = InteractionLog.from_frame(frame((1, 10, 1, 5), (1, 11, 0, 3), (1, 12, 1, 5), (1, 13, 1, 3)))
    assert log.time.tolist() == [3, 3, 5, 5]
    assert log.item.tolist() == [0, 1, 2, 3]
    assert log.label.tolist() == [0, 1, 1, 1]


def test_ids_are_numbered_by_first_appearance_in_time() -> None:
    log = InteractionLog.from_frame(frame((9, 70, 1, 3), (4, 50, 1, 1), (9, 50, 1, 2), (2, 60, 1, 4)))
    assert log.user.tolist() == [0, 1, 1, 2]
    assert log.item.tolist() == [0, 0, 1, 2]
    assert log.sizes == Sizes(users=3, items=3, categories=0)


def test_names_may_be_strings() -> None:
    log = InteractionLog.from_frame(frame(("b", "y", 1, 1), ("a", "x", 1, 2), ("b", "x", 0, 3)))
    assert log.user.tolist() == [0, 1, 0]
    assert log.item.tolist() == [0, 1, 1]


def test_columns_have_the_documented_types() -> None:
    log = InteractionLog.from_frame(random_rows())
    assert not any(column is not None for column in log.parts[0][8:])  # this stream has no further features
    columns = dict(zip(log.parts[0]._fields[:7], log.parts[0][:7], strict=True))
    assert {name: column.dtype for name, column in columns.items()} == {
        "user": torch.int32,
        "item": torch.int32,
        "label": torch.uint8,
        "time": torch.int64,
        "history_end": torch.int32,
        "history_length": torch.int32,
        "sequence": torch.int32,
    }


def test_a_history_ends_strictly_before_its_row() -> None:
    log = InteractionLog.from_frame(frame((1, 10, 1, 1), (1, 11, 1, 2), (1, 12, 1, 2), (2, 13, 1, 2), (1, 14, 1, 3)))
    assert histories(log, 9) == [[], [0], [0], [], [2, 1, 0]]


def test_a_history_holds_the_latest_items_first_and_no_more_than_asked() -> None:
    log = InteractionLog.from_frame(frame(*((1, 10 + time, 1, time) for time in range(5))))
    assert histories(log, 2)[-1] == [3, 2]
    assert log.batch(torch.tensor([4]), 0).history.shape == (1, 0)


@pytest.mark.parametrize(("positive", "expected"), [(True, [1]), (False, [2, 1, 0])])
def test_negatives_enter_histories_only_when_asked(positive: bool, expected: list[int]) -> None:
    rows = frame((1, 10, 0, 1), (1, 11, 1, 2), (1, 12, 0, 3), (1, 13, 0, 4))
    assert histories(InteractionLog.from_frame(rows, positive_history=positive), 9)[-1] == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_histories_are_those_of_a_filter_per_row(seed: int, positive: bool, size: int) -> None:
    log = InteractionLog.from_frame(random_rows(seed, count=600, users=8), positive_history=positive)
    assert histories(log, size) == brute_force_histories(log, size, positive)


def test_a_stream_without_positives_has_empty_histories() -> None:
    log = InteractionLog.from_frame(frame((1, 10, 0, 1), (1, 11, 0, 2)))
    batch = log.batch(torch.tensor([1, 0]), 3)
    assert batch.history.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert batch.history_length.tolist() == [0, 0]


def test_a_batch_holds_the_rows_asked_for_with_the_documented_types() -> None:
    categories = pl.DataFrame({"item": [12], "categories": [["a"]]})
    log = InteractionLog.from_frame(frame((1, 10, 1, 1), (2, 11, 0, 2), (1, 12, 0, 3)), categories)
    batch = log.batch(torch.tensor([2, 1, 2]), 2)
    assert batch.user.tolist() == [0, 1, 0]
    assert batch.item.tolist() == [2, 1, 2]
    assert batch.label.tolist() == [0.0, 0.0, 0.0]
    assert batch.history.tolist() == [[0, 0], [0, 0], [0, 0]]
    assert batch.history_length.tolist() == [1, 0, 1]
    assert batch.categories is log.categories
    assert [tensor.dtype for tensor in batch[:5] if tensor is not None] == [torch.int64] * 4 + [torch.float32]


def test_rows_appended_later_change_nothing_about_earlier_rows() -> None:
    rows = random_rows().sort("time", maintain_order=True)
    names = [[f"c{item % 11}", f"d{item % 3}"] for item in range(300)]
    categories = pl.DataFrame({"item": range(300), "categories": names})
    whole = InteractionLog.from_frame(rows, categories)
    for count in (1, 500, 1999):
        early = InteractionLog.from_frame(rows[:count], categories)
        for name in ("user", "item", "label", "time"):
            assert torch.equal(getattr(early, name), getattr(whole, name)[:count])
        assert histories(early, 10) == histories(whole, 10)[:count]
        assert early.categories is not None
        assert whole.categories is not None
        assert torch.equal(early.categories, whole.categories[: early.sizes.items])
        assert early.fingerprint(count) == whole.fingerprint(count)


def test_sequences_hold_each_entry_once_and_are_contiguous_by_user() -> None:
    log = InteractionLog.from_frame(random_rows())
    (part,) = log.parts
    assert len(part.sequence) == int(log.label.sum())
    begin = 0
    for user in range(log.sizes.users):
        liked = log.item[(log.user == user) & (log.label == 1)]
        assert torch.equal(part.sequence[begin : begin + len(liked)], liked)
        begin += len(liked)


def test_categories_are_padded_and_numbered_by_first_appearance() -> None:
    rows = frame((1, 12, 1, 1), (1, 10, 1, 2), (1, 11, 1, 3), (1, 13, 1, 4))
    categories = pl.DataFrame({"item": [10, 11, 12, 99], "categories": [["a", "b", "c"], [], ["c", "a"], ["unused"]]})
    log = InteractionLog.from_frame(rows, categories)
    assert log.categories is not None
    assert log.categories.tolist() == [[0, 1, -1], [1, 2, 0], [-1, -1, -1], [-1, -1, -1]]
    assert log.categories.dtype == torch.int64
    assert log.sizes.categories == 3


def test_a_catalogue_that_knows_no_item_is_none() -> None:
    log = InteractionLog.from_frame(frame((1, 10, 1, 1)), pl.DataFrame({"item": [99], "categories": [["a"]]}))
    assert log.categories is None
    assert log.sizes.categories == 0


def test_a_stream_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="the stream has no rows"):
        InteractionLog.from_frame(frame((1, 10, 1, 1)).clear())


@pytest.mark.parametrize("column", ["user", "item", "label", "time"])
def test_a_fingerprint_tells_a_changed_row_from_a_grown_stream(column: str) -> None:
    rows = frame((1, 10, 1, 1), (2, 10, 0, 2), (2, 11, 0, 4), (1, 11, 1, 5))
    values = rows[column].to_list()
    values[1] = {"user": 1, "item": 11, "label": 1, "time": 3}[column]
    log = InteractionLog.from_frame(rows)
    changed = InteractionLog.from_frame(rows.with_columns(pl.Series(column, values)))
    assert log.fingerprint(1) == changed.fingerprint(1)
    assert log.fingerprint(2) != changed.fingerprint(2)
    assert log.fingerprint(2) != log.fingerprint(3)


def test_the_known_users_and_items_are_those_of_earlier_rows() -> None:
    log = InteractionLog.from_frame(random_rows(count=200))
    for rows in (0, 1, 17, 200):
        users, items = log.known(rows)
        assert set(log.user[:rows].tolist()) == set(range(users))
        assert set(log.item[:rows].tolist()) == set(range(items))


def test_a_log_stays_where_it_is_if_it_is_there_already() -> None:
    log = InteractionLog.from_frame(frame((1, 10, 1, 1)))
    assert log.to(torch.device("cpu")) is log
    assert log.to(torch.device("meta")).user.device.type == "meta"
