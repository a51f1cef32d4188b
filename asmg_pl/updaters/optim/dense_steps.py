"""Steps of Adam on many dense parameters in one C++ call, see ``dense_steps.cpp``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.system.compiled import SHARE, library_or_none, share_out

#: Numbers that stand for a row where threads share the work.
NEAR = 64


class _Settings(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("rate", "beta", "beta_square", "epsilon", "decay")]


def computes(parameter: Tensor, state: Mapping[str, Tensor]) -> bool:
    """Whether the kernel can move a parameter: on the CPU with a compiler, in float32, by a dense gradient.

    Args:
        parameter: has a gradient.
        state: of Adam.
    """
    gradient = parameter.grad
    return (
        parameter.is_cpu
        and parameter.dtype is torch.float32
        and gradient is not None
        and not gradient.is_sparse
        and state["step"].dtype is torch.float32
        and parameter.is_contiguous()
        and state["exp_avg"].is_contiguous()
        and state["exp_avg_sq"].is_contiguous()
        and _native() is not None
    )


def step(
    parameters: Sequence[Tensor], states: Sequence[Mapping[str, Tensor]], group: Mapping[str, Any], decay: float
) -> None:
    """Take a step of parameters of one group, in place.

    Args:
        parameters: for which :func:`computes` is true.
        states: Adam's state of each.
        group: with ``lr``, ``betas`` and ``eps``.
        decay: what the step leaves of a number beside its move, 1 without decay.
    """
    native, count = _native(), len(parameters)
    assert native is not None
    slopes = [parameter.grad.contiguous() for parameter in parameters if parameter.grad is not None]
    places = (ctypes.c_void_p * (5 * count))(
        *(
            tensor.data_ptr()
            for parameter, slope, state in zip(parameters, slopes, states, strict=True)
            for tensor in (parameter, slope, state["exp_avg"], state["exp_avg_sq"], state["step"])
        )
    )
    sizes = [parameter.numel() for parameter in parameters]
    told = count, (ctypes.c_int64 * count)(*sizes), places, _Settings(group["lr"], *group["betas"], group["eps"], decay)
    native.count(count, places)
    total = sum(sizes)
    if total < 2 * NEAR * SHARE:
        native.step(0, total, *told)
    else:
        share_out(
            lambda number, first, last: native.step(NEAR * first, min(NEAR * last, total), *told), -(-total // NEAR)
        )


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("dense_steps.cpp"))
    if found is not None:
        whole, place = ctypes.c_int64, ctypes.c_void_p
        found.count.argtypes, found.count.restype = [whole, place], None
        found.step.argtypes, found.step.restype = [*[whole] * 3, place, place, ctypes.POINTER(_Settings)], None
    return found
