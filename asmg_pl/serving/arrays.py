"""Arrays as ``.npy`` files: written a chunk of rows at a time, and mapped into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asmg_pl.errors import ConfigError, PackageError

#: Rows that are written at a time.
CHUNK = 65536


@dataclass(frozen=True)
class Rows:
    """The rows of an array, which come in chunks, so that the whole array need not be in memory.

    Attributes:
        shape: of the whole array.
        dtype: of its numbers.
        chunks: gives the rows in their order, some at a time. It may be called once.
        unknown: the row of an id that is not known, [1, D]; ``None`` for the mean of the rows.

    Examples:
        >>> Rows.of(torch.zeros(3, 2)).shape
        (3, 2)
        >>> [len(chunk) for chunk in Rows.of(torch.zeros(CHUNK + 1)).chunks()]
        [65536, 1]
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    chunks: Callable[[], Iterable[Tensor]]
    unknown: Tensor | None = None

    @classmethod
    def of(cls, values: Tensor) -> Rows:
        """The rows of a tensor, on whatever device it is."""
        shape = tuple(values.shape)
        return cls(shape, values.dtype, lambda: values.detach().reshape(shape or (1,)).split(CHUNK))

    def with_mean(self) -> Rows:
        """These rows of numbers, float [N, D], and one more after them: ``unknown``, or their mean.

        The mean of no rows is 0.
        """
        return Rows((self.shape[0] + 1, *self.shape[1:]), self.dtype, self._chunks_and_mean)

    def _chunks_and_mean(self) -> Iterator[Tensor]:
        total = torch.zeros(self.shape[1:], dtype=torch.float64)
        for chunk in self.chunks():
            total += chunk.cpu().double().sum(0)
            yield chunk
        yield (total / max(1, self.shape[0])).to(self.dtype)[None] if self.unknown is None else self.unknown


def write_array(values: Tensor | np.ndarray | Rows, path: Path) -> None:
    """Write an array as a ``.npy`` file, a chunk of rows at a time.

    The file is not written through mapped memory, since a full disk would then end the process without a message.

    Raises:
        ConfigError: if NumPy has no such numbers.
    """
    if isinstance(values, np.ndarray):
        with path.open("wb") as file:
            np.lib.format.write_array(file, values, version=(1, 0), allow_pickle=False)
        return
    rows = values if isinstance(values, Rows) else Rows.of(values)
    try:
        dtype = np.dtype(str(rows.dtype).removeprefix("torch."))
    except TypeError:
        raise ConfigError(f"{path.stem} holds {rows.dtype}, which no .npy file can hold: make it float32") from None
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(rows.shape)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in rows.chunks():
            file.write(chunk.detach().cpu().contiguous().numpy().tobytes())


def map_array(path: Path) -> np.ndarray:
    """Map a ``.npy`` file; its pages are read when they are needed. Writing into the array never changes the file.

    Raises:
        PackageError: if the file is missing, cut off, or no such file.
    """
    try:
        mapped = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError:
        raise PackageError(f"{path} is missing") from None
    except Exception as error:  # numpy parses the header as a Python literal, which can raise any error of the parser
        raise PackageError(f"{path} is no array ({' '.join(str(error).split())[:120]})") from None
    return np.asarray(mapped)
