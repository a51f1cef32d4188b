"""The fields of a mini-batch in one C++ kernel for the CPU, see ``fields.cpp``.

plain    ids ─▶ vectors ─▶ products with shares ─▶ sums ─▶ side by side        each arrow is an operation or several
C++      ids ──────────────────────────────────────────▶ side by side         for all tables of one width at once
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.system.compiled import library, share_out

log = logging.getLogger(__name__)

#: The tables that the kernel reads, in its order.
TABLES = ("user", "item", "category")


class _Ids(ctypes.Structure):
    """What ``fields.cpp`` is told of a mini-batch."""

    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("history", "wide", "width", "apart", "users", "items", "categories", "catalogued")
        ),
        *((name, ctypes.c_void_p) for name in ("user", "item", "category", "own", "past", "length", "catalogue")),
    ]


def runs(device: torch.device) -> bool:
    """Whether the kernel can run on a device: the CPU, where a compiler is; an exported model has plain operations."""
    traced = torch.compiler.is_exporting() or torch.compiler.is_compiling()
    return device.type == "cpu" and not traced and _native() is not None


def computes(batch: Batch, lookups: Mapping[str, Lookup]) -> bool:
    """Whether the kernel can compute the fields of a mini-batch, from tables of one width in float32."""
    weights = [lookups[name].weight for name in TABLES[: 2 if batch.categories is None else 3]]
    alike = all(each.dtype == torch.float32 and each.shape[1] == weights[0].shape[1] for each in weights)
    return alike and runs(weights[0].device)


def categories(catalogue: Tensor, items: Tensor) -> Tensor:
    """The categories of items, 0 where there is none.

    Args:
        catalogue: the categories of all items, int64 [N, C], padded with -1.
        items: int64 of any shape.

    Returns:
        int64 [*items.shape, C].

    Raises:
        IndexError: if the catalogue lacks an item.
    """
    native, catalogue, items = _native(), catalogue.long().contiguous(), items.long().contiguous()
    assert native is not None
    found = items.new_empty(*items.shape, catalogue.shape[1])
    given = items.data_ptr(), catalogue.data_ptr(), found.data_ptr()
    if native.categories(items.numel(), *catalogue.shape, *given) >= 0:
        raise IndexError("the catalogue lacks an item of the mini-batch")
    return found


class Fields:
    """Some columns of a row: user, history[, the history's categories], item[, the item's categories]."""

    def __init__(self, batch: Batch, lookups: Mapping[str, Lookup]) -> None:
        """Take a mini-batch, and the lookups of the tables :data:`TABLES`, for which :func:`computes` is true."""
        found = [lookups[name] for name in TABLES[: 2 if batch.categories is None else 3]]
        self.tensors: Sequence[Tensor] = [lookup.weight for lookup in found]
        indices = [lookup.index.long().contiguous() for lookup in found]
        (rows, entries), width = indices[1].shape, self.tensors[0].shape[1]
        wide = 0 if batch.categories is None else indices[2].shape[-1]
        catalogue = None if batch.categories is None else batch.categories.long().contiguous()
        own = (each.long().contiguous() for each in (batch.item, batch.history, batch.history_length))
        lengths = [weight.shape[0] for weight in self.tensors] + [0] * (3 - len(found))
        self._rows, self._kept = rows, [*indices, *[None] * (3 - len(found)), *own, catalogue]
        self.columns = (3 if batch.categories is None else 5) * width
        self._told = _Ids(
            *(entries - 1, wide, width, self.columns, *lengths, 0 if catalogue is None else catalogue.shape[0]),
            *(None if each is None else each.data_ptr() for each in self._kept),
        )

    def write(self, out: Tensor) -> None:
        """See :meth:`~asmg_pl.recommenders.kernels.side_by_side.Part.write`.

        Raises:
            IndexError: if an id is not in its table.
        """
        weights = [weight.contiguous() for weight in self.tensors]
        tables, native, wrong = _pointers(weights), _native(), []
        assert native is not None
        self._told.apart = out.stride(0)

        def part(number: int, first: int, last: int) -> None:
            wrong.append(native.forward(first, last, ctypes.byref(self._told), tables, out.data_ptr()))

        share_out(part, self._rows)
        if max(wrong) >= 0:
            raise IndexError(f"row {max(wrong)} of the mini-batch has an id that is not in its table")

    def gradients(self, slope: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """See :meth:`~asmg_pl.recommenders.kernels.side_by_side.Part.gradients`."""
        wants = zip(self.tensors, wanted, strict=True)
        found = [slope.new_zeros(weight.shape) if want else None for weight, want in wants]
        native = _native()
        assert native is not None
        self._told.apart = slope.stride(0)
        native.backward(slope.shape[0], ctypes.byref(self._told), slope.data_ptr(), _pointers(found))
        return found


def _pointers(tensors: Any) -> Any:
    return (ctypes.c_void_p * len(TABLES))(*(None if each is None else each.data_ptr() for each in tensors))


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled, which is said once."""
    try:
        found = library(Path(__file__).with_name("fields.cpp"))
    except OSError as error:
        log.info("steps take longer, since plain operations compute a mini-batch's fields: %s", error)
        return None
    whole, place = ctypes.c_int64, ctypes.c_void_p
    found.forward.argtypes, found.forward.restype = [whole, whole, place, place, place], whole
    found.categories.argtypes, found.categories.restype = [whole, whole, whole, place, place, place], whole
    found.backward.argtypes, found.backward.restype = [whole, place, place, place], None
    return found
