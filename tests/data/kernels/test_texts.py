"""All texts of a column are looked at once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data.kernels import texts as kernel
from asmg_pl.data.tables import columns
from asmg_pl.system.compiled import cpp_compiler

pytestmark = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")

PLAIN = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(str)
WHOLE = st.integers(-(10**14), 10**14).map(str)


@settings(deadline=None, max_examples=50)
@given(st.lists(PLAIN | WHOLE | st.sampled_from(["", "0", "-0", "007", "0.1", "16777217", None])))
def test_plain_numbers_are_those_of_polars(written: list[str | None]) -> None:
    texts = pl.Series("n", written, pl.String)
    expected = texts.replace("", None).cast(pl.Float64).cast(pl.Float32).fill_null(float("nan"))
    found = kernel.plain_numbers(texts)
    assert found is not None
    assert found.tobytes() == expected.to_numpy().tobytes(), "to the bit, with the sign of zero"


@pytest.mark.parametrize(
    "text", [*("1e5", "+1", " 1", "1 ", ".5", "5.", "-", ".", "1.2.3", "nan", "inf", "--1", "1_000", "0x1"), "9" * 16]
)
def test_other_forms_are_left_to_polars(text: str) -> None:
    assert kernel.plain_numbers(pl.Series(["1", text])) is None


@pytest.mark.parametrize("text", ["true", "FALSE", "False", " ", "\t", " a", "\u00a0", "é"])
def test_texts_that_may_mean_something_else_are_seen(text: str) -> None:
    assert kernel.any_special(pl.concat([pl.Series(["a", "b" * 20]), pl.Series(["", text])], rechunk=False))
    assert not kernel.any_special(pl.Series(["a", "", "tru", "falsely", "trues", "x true", "a" * 20, "~", "!"]))


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(["true", "False", " ", "\u2003", "", "a", "1.5", "t", "longer than a view"])))
def test_values_and_numbers_are_those_without_the_kernel(words: list[str]) -> None:
    texts = pl.Series("c", words, pl.String)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "FEWEST", 0)
        found = columns._values(texts), columns._floats(texts)
        patch.setattr(kernel, "_native", lambda: None)
        assert found[0].equals(columns._values(texts))
        assert found[1].equals(columns._floats(texts), null_equal=True)


def test_it_is_fetched_for_many_texts_alone() -> None:
    many = pl.repeat("a", kernel.FEWEST, eager=True)
    assert kernel.computes(many)
    assert not kernel.computes(many[1:])
    assert not kernel.computes(pl.Series(np.zeros(kernel.FEWEST)))
