"""Keys are numbered by first appearance."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data.kernels import appearance
from asmg_pl.data.kernels.arrow import stream_of
from asmg_pl.system.compiled import cpp_compiler

pytestmark = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")


def by_dictionary(keys: np.ndarray) -> tuple[list[int], list[int]]:
    numbers: dict[int, int] = {}
    first = []
    for row, key in enumerate(keys.tolist()):
        if key not in numbers:
            first.append(row)
            numbers[key] = len(numbers)
    return [numbers[key] for key in keys.tolist()], first


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([0, 1, 2**63 - 1, -1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_those_of_a_dictionary(keys: list[int]) -> None:
    array = np.array(keys, np.int64)
    place, first = appearance.number(pl.Series(array))
    assert (place.tolist(), first.tolist()) == by_dictionary(array)


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_the_table_grows_with_the_keys_and_keys_of_one_slot_are_told_apart(kind: type[np.generic]) -> None:
    draw = np.random.default_rng(0)
    keys = np.concatenate([np.arange(20_000) << 48, draw.integers(0, 9000, 20_000)]).astype(kind)
    draw.shuffle(keys)
    place, first = appearance.number(pl.Series(keys[::2]))
    assert [place.dtype, first.dtype] == [np.dtype(np.int32), np.dtype(np.int64)]
    assert (place.tolist(), first.tolist()) == by_dictionary(keys[::2])


def test_it_is_fetched_for_many_keys_alone() -> None:
    assert appearance.computes(appearance.FEWEST)
    assert not appearance.computes(appearance.FEWEST - 1)
    assert not appearance.computes(2**31), "places are of 32 bits"


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text("abé ", max_size=20)),
    st.lists(st.sampled_from(["exactly 12 b", "thirteen byte", "", "\0", "\0\0"])),
)
def test_texts_in_pieces_are_numbered_as_by_a_dictionary(one: list[str], other: list[str]) -> None:
    texts = pl.concat([pl.Series(one, dtype=pl.String), pl.Series(other, dtype=pl.String)], rechunk=False)
    place, first = appearance.number(texts)
    distinct = list(dict.fromkeys([*one, *other]))
    assert [distinct[number] for number in place] == texts.to_list()
    assert texts.gather(first).to_list() == distinct


def test_many_long_texts_are_told_apart() -> None:
    texts = pl.Series([f"the same beginning {number % 7000} and end" for number in range(20_000)])
    place, first = appearance.number(texts)
    assert place.tolist() == [number % 7000 for number in range(20_000)]
    assert first.tolist() == list(range(7000))


def test_texts_in_another_form_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    other = pl.Series(["a", "b"], dtype=pl.String).cast(pl.Binary)
    monkeypatch.setattr(appearance, "stream_of", lambda texts: stream_of(other))
    with pytest.raises(TypeError, match="another form than views"):
        appearance.number(pl.Series(["a", "b"]))
