"""The fast reader of text without quotes gives what the careful one gives, and leaves every doubtful block to it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asmg_pl.data.tables.text import Block, Dialect

COLUMNS = ["a", "b", "c"]
WANTED = {"x": "c", "y": "a"}


def read(dialect: Dialect, content: bytes) -> pl.DataFrame:
    return dialect.fields(Block(content, 5, 0), COLUMNS, WANTED).collect()


def is_plain(content: bytes) -> bool:
    return Dialect(",")._plain(Block(content, 5, 0), COLUMNS) is not None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.text(" ab#é;\t\v0.", max_size=3), min_size=3, max_size=3), min_size=1, max_size=6),
    st.booleans(),
)
def test_both_readers_give_the_same_records(rows: list[list[str]], ended: bool) -> None:
    content = ("\n".join(map(",".join, rows)) + "\n" * ended).encode()
    assert is_plain(content)
    quoted = content + b"\n" * (not ended) + b'"q",q,q\n'  # a quote calls for the careful reader
    assert not is_plain(quoted)
    assert read(Dialect(","), content).equals(read(Dialect(","), quoted)[:-1])


@pytest.mark.parametrize(
    "content", [b"1,2\n", b"1,2,3,4\n", b"1,2,3\n\n", b"1,2\n1,2,3,4\n", b"1,2,\0\n", b"1,2,3\r\n", b""]
)
def test_blocks_with_a_possible_fault_are_left_to_the_careful_reader(content: bytes) -> None:
    assert not is_plain(content)
