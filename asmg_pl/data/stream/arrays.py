"""Reads the ``.npy`` files of a stream: mapped into memory, or as a whole."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asmg_pl.data.stream.digests import MEND
from asmg_pl.data.stream.manifest import FILE
from asmg_pl.errors import DataError
from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = later("torch")

_MAPS = Path("/proc/sys/vm/max_map_count")


def map_file(path: Path, kind: np.dtype, rows: int, width: tuple[int, ...] = ()) -> Tensor:
    """Map an ``.npy`` file with this number of rows; its pages are read when they are needed.

    Writing into the tensor changes memory only, never the file. ``width`` is the shape of a row.

    Raises:
        DataError: if the file is missing, cut off or of another kind.
    """
    shape, begin, size = _header(path, kind, (rows, *width))
    dtype = torch.from_numpy(np.empty(0, kind)).dtype
    try:
        whole = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    except RuntimeError as error:
        raise DataError(
            f"{path} cannot be mapped into memory ({str(error).splitlines()[0]}). A process can map {_most_maps()} "
            f"files: if the stream has thousands of parts, merge them with asmg convert --compact {path.parent.parent}"
        ) from None
    return whole[begin:].view(dtype).view(shape)


def _most_maps() -> str:
    """How many files a process can map, for a message."""
    try:
        return f"{int(_MAPS.read_text()):,}"
    except (OSError, ValueError):
        return "so many"


def read_array(path: Path, kind: np.dtype, rows: int) -> np.ndarray:
    """Read an ``.npy`` file as a whole, whatever the width of its rows; it raises the errors of :func:`map_file`."""
    _header(path, kind, (rows,))
    return np.load(path, allow_pickle=False)


def _header(path: Path, kind: np.dtype, begins: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """The shape of an ``.npy`` file, the byte at which its values begin, and its number of bytes.

    The shape has to begin with ``begins``.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: {MEND}")
    shape = begins
    expected = _written_header(kind, shape)
    try:
        with path.open("rb") as file:
            if file.read(len(expected)) == expected:  # parsing takes ten times as long, and there may be many parts
                by_column, found = False, kind
            else:
                file.seek(0)
                np.lib.format.read_magic(file)
                shape, by_column, found = np.lib.format.read_array_header_1_0(file)
            begin = file.tell()
    except Exception:  # numpy parses the header as a Python literal, which can raise any error of the parser
        raise DataError(f"{path} is no file of a stream: {MEND}") from None
    if found != kind or shape[: len(begins)] != begins or by_column:
        rows = f"{begins[0]} rows of {' × '.join(map(str, (*begins[1:], kind)))}"
        raise DataError(f"{path} holds {found} {list(shape)} where {FILE} expects {rows}: {MEND}")
    size = begin + int(np.prod(shape)) * kind.itemsize
    if path.stat().st_size != size:
        raise DataError(f"{path} has {path.stat().st_size} bytes instead of {size}: {MEND}")
    return shape, begin, size


@lru_cache(maxsize=16)
def _written_header(kind: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header that an ``.npy`` file of this kind has."""
    file = BytesIO()
    descr = np.lib.format.dtype_to_descr(kind)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()
