"""Cuts delimited text into columns of fields, in C++ on the CPU, see ``delimited.cpp``."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import polars as pl

from asmg_pl.data.kernels.arrow import ADDRESS, Made
from asmg_pl.system.compiled import library_or_none

#: The fewest bytes for which the kernel is fetched, which takes a second where it is not compiled yet.
FEWEST = 1 << 23


def computes(size: int) -> bool:
    """Whether the kernel cuts as many bytes: where a compiler is, and where it is worth its start."""
    return FEWEST <= size < 2**31 and _native() is not None


def cut(content: bytes, delimiter: bytes, faults: bytes, names: list[str]) -> pl.DataFrame | None:
    """Cut text in which nothing is quoted.

    Args:
        content: whole lines of UTF-8.
        delimiter: the character between two fields.
        faults: characters that the text must not have.
        names: the names of the columns, two or more.

    Returns:
        The fields, String; ``None`` if a line has more or fewer fields, or the text has one of the faults.
    """
    native = _native()
    assert native is not None
    made = Made(len(names))
    if native.cut(content, len(content), delimiter, faults, len(faults), len(names), made.schemas, made.arrays) < 0:
        return None
    return pl.DataFrame([made.column(number, name) for number, name in enumerate(names)])


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("delimited.cpp"))
    if found is None:
        return None
    whole, number, text = ctypes.c_int64, ctypes.c_int32, ctypes.c_char_p
    found.cut.argtypes = [text, whole, ctypes.c_char, text, number, number, ADDRESS, ADDRESS]
    found.cut.restype = whole
    return found
