"""Numbers of keys by first appearance, in C++ on the CPU, see ``appearance.cpp``."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl.data.kernels.arrow import ADDRESS, stream_of
from asmg_pl.system.compiled import library_or_none

#: The fewest keys for which the kernel is fetched, which takes a second where it is not compiled yet.
FEWEST = 100_000


def computes(keys: int) -> bool:
    """Whether the kernel numbers as many keys: where a compiler is, and where it is worth its start."""
    return FEWEST <= keys < 2**31 and _native() is not None


def number(keys: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Number keys.

    Args:
        keys: Int64, UInt64 or String [n], without missing ones.

    Returns:
        The number of each key, int32 [n], and the rows where the distinct ones appear first, int64 [distinct].

    Raises:
        TypeError: if this version of polars hands over texts in another form than views.
    """
    native = _native()
    assert native is not None
    place, first = np.empty(len(keys), np.int32), np.empty(len(keys), np.int64)
    if keys.dtype == pl.String:
        with stream_of(keys) as stream:
            distinct = native.number_texts(stream, place.ctypes.data, first.ctypes.data)
        if distinct < 0:
            raise TypeError(f"polars {pl.__version__} hands over texts in another form than views of strings")
    else:
        whole = np.ascontiguousarray(keys.to_numpy())
        distinct = native.number(len(whole), whole.ctypes.data, place.ctypes.data, first.ctypes.data)
    return place, first[:distinct].copy()


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("appearance.cpp"))
    if found is None:
        return None
    whole = ctypes.c_int64
    found.number.argtypes, found.number.restype = [whole, ADDRESS, ADDRESS, ADDRESS], whole
    found.number_texts.argtypes, found.number_texts.restype = [ADDRESS, ADDRESS, ADDRESS], whole
    return found
