"""Columns of texts for C++ and from C++, without a copy, by Arrow's C data interface, see ``arrow.h``."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

ADDRESS = ctypes.c_void_p
_SCHEMA, _ARRAY = 72, 80  # bytes of ArrowSchema and of ArrowArray

_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.argtypes, _capsule.restype = [ADDRESS, ctypes.c_char_p, ADDRESS], ctypes.py_object
_content = ctypes.pythonapi.PyCapsule_GetPointer
_content.argtypes, _content.restype = [ctypes.py_object, ctypes.c_char_p], ADDRESS


@contextmanager
def stream_of(texts: pl.Series) -> Iterator[int]:
    """The address of an ``ArrowArrayStream`` of a column, which a kernel may read once."""
    capsule = texts.__arrow_c_stream__()  # it lets go of the column when it goes
    yield _content(capsule, b"arrow_array_stream")


class Made:
    """Room for columns that a kernel makes.

    Attributes:
        schemas: the address of as many ``ArrowSchema``.
        arrays: the address of as many ``ArrowArray``.
    """

    def __init__(self, columns: int) -> None:
        """Make room for so many columns."""
        self._schemas, self._arrays = (ctypes.create_string_buffer(columns * size) for size in (_SCHEMA, _ARRAY))
        self.schemas, self.arrays = ctypes.addressof(self._schemas), ctypes.addressof(self._arrays)

    def column(self, number: int, name: str) -> pl.Series:
        """One of the columns, which the kernel has made. It is taken once, and every one has to be."""
        export = _Export(self.schemas + number * _SCHEMA, self.arrays + number * _ARRAY)
        return pl.Series(export).alias(name)


class _Export:
    """A column, as libraries take it over."""

    def __init__(self, schema: int, array: int) -> None:
        self._schema, self._array = schema, array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """The column; who takes it over lets go of it."""
        return _capsule(self._schema, b"arrow_schema", None), _capsule(self._array, b"arrow_array", None)
