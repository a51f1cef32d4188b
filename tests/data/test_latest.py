"""The latest values of users' and items' features against a plain loop over rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from data.featured import FEATURES, featured_rows

from asmg_pl.data import InteractionLog
from asmg_pl.data.latest import Latest
from asmg_pl.data.sizes import Side, Sizes

LOG = InteractionLog.from_frame(featured_rows(300), features=FEATURES)


def plain(side: Side, rows: int) -> dict[int, dict[str, Any]]:
    """By id, what the id's latest row has."""
    part, found = LOG.parts[0], {}
    sizes = LOG.sizes
    assert part.numbers is not None
    assert part.lists is not None
    for row in range(rows):
        found[int(getattr(part, side)[row])] = {
            "context": [
                int(column[row])
                for column, each in zip(part.context, sizes.context_features, strict=True)
                if each.side == side
            ],
            "numbers": [float(part.numbers[row, n]) for n, each in enumerate(sizes.numbers) if each.side == side],
            "lists": [part.lists[row, n].tolist() for n, each in enumerate(sizes.lists) if each.side == side],
        }
    return found


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize("cuts", [[300], [1, 2, 90, 91, 300]])
def test_they_are_those_of_the_latest_row_however_the_rows_come(side: Side, cuts: list[int]) -> None:
    latest = Latest(LOG.sizes, side)
    for begin, end in zip([0, *cuts], cuts, strict=False):
        latest.add(LOG.between(begin, end).parts[0])
    expected = plain(side, 300)
    found = latest.values(len(expected))
    assert set(found) == ({"context", "numbers", "lists"} if side == "user" else {"numbers"})
    for kind, values in found.items():
        assert values.dtype == (np.float32 if kind == "numbers" else np.int32)
        for number, of_kind in expected.items():
            np.testing.assert_array_equal(values[number], np.asarray(of_kind[kind], values.dtype))


def test_a_stream_without_features_has_none() -> None:
    latest = Latest(Sizes(9, 9), "user")
    latest.add(LOG.parts[0])
    assert latest.values(9) == {}
