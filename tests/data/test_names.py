"""Names are numbered by first appearance."""

from __future__ import annotations

import polars as pl
import pytest

from asmg_pl.data.kernels import appearance
from asmg_pl.data.names import Names

TEXTS = pl.Series(["b", "a", "b", "", "c", "a"])


@pytest.fixture(params=["kernel", "polars"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Number by the kernel, or as where no compiler is."""
    if request.param == "kernel":
        monkeypatch.setattr(appearance, "FEWEST", 0)
    else:
        monkeypatch.setattr(appearance, "_native", lambda: None)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("names", [TEXTS, pl.Series([7, 5, 7, 0, 9, 5])])
def test_names_are_numbered_by_first_appearance_and_keep_their_numbers(names: pl.Series) -> None:
    ids, known = Names("user").number(names)
    assert ids.tolist() == [0, 1, 0, 2, 3, 1]
    assert known.since(0).to_list() == names.unique(maintain_order=True).to_list()
    more = pl.concat([names[5:], (names[:1].cast(pl.String) + "0").cast(names.dtype), names[:2]])
    later, grown = known.number(more)
    assert later.tolist() == [1, 4, 0, 1]
    assert len(known) == 4, "the earlier names are as they were"
    assert grown.since(4).to_list() == more[1:2].to_list()


@pytest.mark.usefixtures("_way")
def test_names_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Names("user").number(TEXTS)[0]
    monkeypatch.setattr(pl.Series, "hash", lambda self: pl.repeat(1, len(self), dtype=pl.UInt64, eager=True))
    assert Names("user").number(TEXTS)[0].tolist() == expected.tolist()


@pytest.mark.usefixtures("_way")
def test_new_names_are_one_chunk_however_many_the_rows_have() -> None:
    rows = pl.concat([TEXTS, TEXTS.str.to_uppercase()], rechunk=False)
    known = Names("user").number(rows)[1]
    assert known.since(0).n_chunks() == 1
    assert known.number(pl.concat([rows, pl.Series(["x"])]))[1].since(len(known)).n_chunks() == 1
