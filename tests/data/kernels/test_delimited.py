"""Delimited text is cut into columns of fields."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data.kernels import delimited as kernel
from asmg_pl.data.tables.text import Block, Dialect
from asmg_pl.system.compiled import cpp_compiler

pytestmark = pytest.mark.skipif(cpp_compiler() is None, reason="needs a C++ compiler")

FAULTS = b'\0\r"'
FIELDS = st.lists(st.text("ab é€ 0", max_size=30), min_size=3, max_size=3)


def cut(content: bytes) -> pl.DataFrame | None:
    return kernel.cut(content, b",", FAULTS, ["x", "y", "z"])


@settings(deadline=None, max_examples=50)
@given(st.lists(FIELDS, min_size=1), st.sampled_from(["", "\n"]))
def test_fields_are_those_between_delimiters(rows: list[list[str]], end: str) -> None:
    found = cut(("\n".join(map(",".join, rows)) + end).encode())
    assert found is not None
    assert found.rows() == [tuple(row) for row in rows]
    assert pl.concat([found, found]).unique().height == len({*map(tuple, rows)}), "the columns outlive the text"


def test_a_text_of_many_pieces_is_cut_as_a_whole() -> None:
    rows = [(str(number), "x" * (number % 40), "long " * 5000 if number % 999 == 0 else "") for number in range(9000)]
    found = cut("".join(f"{','.join(row)}\n" for row in rows).encode())
    assert found is not None
    assert found.rows() == rows
    assert cut("".join(f"{','.join(row)}\n" for row in rows).encode() + b"one,field") is None


@pytest.mark.parametrize(
    "content",
    [
        *(b"a,b\nc,d,e,f\n", b"a,b,c,d\ne,f\n", b"a,b,c\n\nd,e,f\n", b"a,b,c\n\n", b"a,b,c\nd,e", b"a,b,c\nd,e,f,g"),
        *(b"a,b,c\r\n", b"a,\0,c\n", b'a,"b",c\n', b"a\nb\nc,d,e,f,g\n", b"\n"),
    ],
)
def test_nothing_is_cut_where_a_line_has_other_fields_or_a_fault(content: bytes) -> None:
    assert cut(content) is None


@settings(deadline=None, max_examples=50)
@given(st.text(',\n\r"a', min_size=1))
def test_the_same_blocks_are_plain_with_and_without_the_kernel(text: str) -> None:
    block, columns = Block(text.encode(), 1, 0), ["x", "y", "z"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "FEWEST", 0)
        found = Dialect(",")._plain(block, columns)
        patch.setattr(kernel, "_native", lambda: None)
        other = Dialect(",")._plain(block, columns)
    assert (found is None) == (other is None)
    assert found is None or other is None or found.equals(other)


def test_it_is_fetched_for_large_texts_alone() -> None:
    assert kernel.computes(kernel.FEWEST)
    assert not kernel.computes(kernel.FEWEST - 1)
    assert not kernel.computes(2**31), "offsets are of 32 bits"
