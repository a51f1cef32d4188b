"""The fields of a mini-batch in one C++ kernel for the CPU, see ``fields.cpp``.

plain    ids ─▶ vectors ─▶ products with shares ─▶ sums ─▶ side by side        each arrow is an operation or several
C++      ids ──────────────────────────────────────────▶ side by side         for all tables of one width at once
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping
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
            for name in ("history", "wide", "width", "users", "items", "categories", "catalogued")
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


def joined(batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
    """The fields user, history[, the history's categories], item[, the item's categories], float [B, F, D].

    Args:
        batch: the mini-batch.
        lookups: the lookups of the tables :data:`TABLES`, for which :func:`computes` is true.

    Raises:
        IndexError: if an id is not in its table.
    """
    found = [lookups[name] for name in TABLES[: 2 if batch.categories is None else 3]]
    indices = [lookup.index.long().contiguous() for lookup in found]
    ids = *(each.long().contiguous() for each in (batch.item, batch.history, batch.history_length)), batch.categories
    made: Tensor = _Fields.apply(indices, ids, *(lookup.weight for lookup in found))  # type: ignore[no-untyped-call]
    return made


class _Fields(torch.autograd.Function):
    """The fields [B, F, D] of tables [N, D] each."""

    @staticmethod
    def forward(ctx: Any, indices: list[Tensor], ids: tuple[Tensor | None, ...], *weights: Tensor) -> Tensor:
        weights = tuple(weight.contiguous() for weight in weights)
        user, item, *category = indices
        rows, entries = item.shape
        wide = category[0].shape[-1] if category else 0
        catalogue = None if ids[3] is None else ids[3].long().contiguous()
        lengths = [len(weight) for weight in weights] + [0] * (3 - len(weights))
        places = [user, item, category[0] if category else None, *ids[:3], catalogue]
        told = _Ids(
            *(entries - 1, wide, weights[0].shape[1], *lengths, 0 if catalogue is None else len(catalogue)),
            *(None if each is None else each.data_ptr() for each in places),
        )
        ctx.told, ctx.kept, ctx.shapes = told, (places, catalogue), [weight.shape for weight in weights]
        out = weights[0].new_empty(rows, 5 if category else 3, weights[0].shape[1])
        tables = _pointers(weights)
        native, wrong = _native(), []
        assert native is not None

        def part(number: int, first: int, last: int) -> None:
            wrong.append(native.forward(first, last, ctypes.byref(told), tables, out.data_ptr()))

        share_out(part, rows)
        if max(wrong) >= 0:
            raise IndexError(f"row {max(wrong)} of the mini-batch has an id that is not in its table")
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        slope = slope.contiguous()
        wanted = ctx.needs_input_grad[2:]
        found = [slope.new_zeros(shape) if want else None for shape, want in zip(ctx.shapes, wanted, strict=True)]
        native = _native()
        assert native is not None
        native.backward(len(slope), ctypes.byref(ctx.told), slope.data_ptr(), _pointers(found))
        return None, None, *found


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
