"""Shuffling that depends on its key alone, and iterating over mini-batches."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from asmg_pl.data import InteractionLog
from asmg_pl.data.mini_batches.loader import AT_ONCE, Bundles, MiniBatches, SideBySide, gathered, permutation
from asmg_pl.data.sources import DriftingStream

ROWS = 200


def log(rows: int = 12) -> InteractionLog:
    """Users are numbered like the rows, so that a batch tells which rows it has."""
    columns = {"user": range(rows), "item": [1] * rows, "label": [1] * rows, "time": range(rows)}
    return InteractionLog.from_frame(pl.DataFrame(columns))


def batches(*parts: list[int]) -> MiniBatches:
    return MiniBatches(log(), [torch.tensor(part) for part in parts], history_size=2)


@pytest.mark.parametrize("rows", [0, 1, 2, ROWS])
def test_a_permutation_has_each_row_once(rows: int) -> None:
    order = permutation(rows, 1234, "update", 3, 0)
    assert order.dtype == torch.int64
    assert order.sort().values.tolist() == list(range(rows))


def test_a_permutation_is_not_the_order_of_time() -> None:
    order = permutation(ROWS, 1234, "update", 3, 0)
    moved = (order - torch.arange(ROWS)).abs().float().mean()
    assert moved == pytest.approx(ROWS / 3, rel=0.2)


def test_the_same_key_gives_the_same_order() -> None:
    assert torch.equal(permutation(ROWS, 1234, "update", 3, 0), permutation(ROWS, 1234, "update", 3, 0))


def test_every_part_of_the_key_counts_and_so_does_its_place() -> None:
    keys: list[tuple[int | str, ...]] = [
        (1234, "update", 3, 0),
        (1235, "update", 3, 0),
        (1234 + 2**32, "update", 3, 0),
        (1234, "pretrain", 3, 0),
        (1234, "update", 4, 0),
        (1234, "update", 0, 3),
        (1234, "update", 3, 1),
        (1234, "update", 3, 0, 1),
        (1234, "update", 3, 0, 2),
        (0, "update", 3, 0),
    ]
    orders = {tuple(permutation(ROWS, *key).tolist()) for key in keys}
    assert len(orders) == len(keys)


def test_orders_of_neighbouring_keys_have_nothing_in_common() -> None:
    """A fixed row's place over many periods is spread over all places."""
    places = torch.stack([permutation(ROWS, 1, "update", period, 0).argsort()[:3] for period in range(300)]).float()
    assert ((places.mean(0) - ROWS / 2).abs() < ROWS / 10).all()
    assert ((places.std(0) - ROWS / 12**0.5).abs() < ROWS / 20).all()


def test_the_global_random_state_is_neither_read_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = permutation(ROWS, 1234, "update", 3, 0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(permutation(ROWS, 1234, "update", 3, 0), first)


def test_mini_batches_yield_their_rows_in_order_on_every_pass() -> None:
    loader = batches([3, 1], [0, 2, 7])
    assert len(loader) == 2
    for _ in range(2):
        assert [batch.user.tolist() for batch in loader] == [[3, 1], [0, 2, 7]]
    assert next(iter(loader)).history.shape == (2, 2)


def test_there_may_be_no_mini_batches() -> None:
    assert len(batches()) == 0
    assert list(batches()) == []


def test_side_by_side_gives_one_mini_batch_of_each_stream_per_step() -> None:
    pairs = SideBySide([batches([0, 1], [2], [3]), batches([4], [5, 6], [7])])
    assert len(pairs) == 3
    for _ in range(2):
        steps = [tuple(batch.user.tolist() for batch in step) for step in pairs]
        assert steps == [([0, 1], [4]), ([2], [5, 6]), ([3], [7])]


def test_the_shortest_stream_ends_the_pass() -> None:
    pairs = SideBySide([batches([0], [1], [2]), batches([4], [5])])
    assert len(pairs) == len(list(pairs)) == 2


@pytest.mark.parametrize("sizes", [[3, 3, 2], [AT_ONCE, 1], [1, AT_ONCE - 1, 2], [0], []])
def test_mini_batches_that_are_gathered_together_equal_those_that_are_gathered_one_by_one(sizes: list[int]) -> None:
    stream = DriftingStream(users=20, items=30, rows=400, categories=4).read(None)
    rows = permutation(sum(sizes), 5).remainder(400).split(sizes)
    found = [*gathered(stream, rows, history_size=6)]
    assert len(found) == len(sizes)
    for together, positions in zip(found, rows, strict=True):
        alone = stream.batch(positions, 6)
        for ours, theirs in zip(together, alone, strict=True):
            assert ours is theirs or torch.equal(ours, theirs)  # type: ignore[arg-type]


def test_bundles_hold_all_mini_batches_in_their_order() -> None:
    bundles = Bundles(batches([0, 1], [2], [3, 4], [5], [6]), size=2)
    assert [[batch.user.tolist() for batch in bundle] for bundle in bundles] == [  # type: ignore[union-attr]
        *([[0, 1], [2]], [[3, 4], [5]], [[6]])
    ]
    assert len(bundles) == 3
