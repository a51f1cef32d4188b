"""The next item is fetched while the present one is at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from patience import PATIENCE

from asmg_pl.data.tables.ahead import ahead


def test_the_next_item_is_fetched_meanwhile_and_no_more_than_one() -> None:
    fetched = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number, event in enumerate(fetched):
            event.set()
            yield number

    found = ahead(items())
    assert next(found) == 0
    assert fetched[1].wait(PATIENCE)
    assert not fetched[2].is_set()
    assert [*found] == [1, 2, 3]


def test_an_error_comes_in_the_place_of_its_item() -> None:
    def items() -> Iterator[str]:
        yield "sound"
        raise ValueError("damaged")

    found = ahead(items())
    assert next(found) == "sound"
    with pytest.raises(ValueError, match="damaged"):
        next(found)


def test_whoever_leaves_early_leaves_no_thread() -> None:
    before = threading.active_count()
    found = ahead(iter(range(10)))
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
