"""Looks at all texts of a column at once, in C++ on the CPU, see ``texts.cpp``."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl.data.kernels.arrow import ADDRESS, stream_of
from asmg_pl.system.compiled import library_or_none

#: The fewest texts for which the kernel is fetched, which takes a second where it is not compiled yet.
FEWEST = 50_000


def computes(texts: pl.Series) -> bool:
    """Whether the kernel looks at these texts: where a compiler is, and where it is worth its start."""
    return texts.dtype == pl.String and len(texts) >= FEWEST and _native() is not None


def any_special(texts: pl.Series) -> bool:
    """Whether a text may be true or false in some spelling, or begins with a blank or with other than ASCII.

    Args:
        texts: without missing ones.
    """
    native = _native()
    assert native is not None
    with stream_of(texts) as stream:
        return bool(native.any_special(stream))


def plain_numbers(texts: pl.Series) -> np.ndarray | None:
    """The numbers of texts such as ``-12`` and ``3.25``, float32 [n], rounded from 64 bits.

    Empty and missing texts are NaN. ``None`` if a text has another form, which may be a number too.
    """
    native = _native()
    assert native is not None
    numbers = np.empty(len(texts), np.float32)
    with stream_of(texts) as stream:
        return numbers if native.plain_numbers(stream, numbers.ctypes.data) == 1 else None


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("texts.cpp"))
    if found is None:
        return None
    found.any_special.argtypes, found.any_special.restype = [ADDRESS], ctypes.c_int32
    found.plain_numbers.argtypes, found.plain_numbers.restype = [ADDRESS, ADDRESS], ctypes.c_int32
    return found
