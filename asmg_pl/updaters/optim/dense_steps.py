"""Steps of Adam on many dense parameters in one C++ call, see ``dense_steps.cpp``."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.system.compiled import SHARE, library_or_none, share_out

#: Numbers that stand for a row where threads share the work.
NEAR = 64

# What the kernel reads, as one look at each tensor tells.
_KIND, _PLAIN = attrgetter("dtype", "layout", "is_cpu"), {(torch.float32, torch.strided, True)}


class _Settings(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("rate", "beta", "beta_square", "epsilon", "decay")]


def step(
    parameters: Sequence[Tensor], states: Sequence[Mapping[str, Tensor]], group: Mapping[str, Any], decay: float
) -> bool:
    """Take a step of parameters of one group, in place, if all of them are on the CPU, in float32 and contiguous.

    Args:
        parameters: each has a gradient.
        states: Adam's state of each.
        group: with ``lr``, ``betas`` and ``eps``.
        decay: what the step leaves of a number beside its move, 1 without decay.

    Returns:
        Whether it is taken; if not, nothing has moved.
    """
    native = _native()
    if native is None:
        return False
    tensors: list[Tensor] = []
    for parameter, state in zip(parameters, states, strict=True):
        if parameter.grad is None:
            return False
        tensors += parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"], state["step"]
    if {*map(_KIND, tensors)} != _PLAIN or not all(map(Tensor.is_contiguous, tensors)):
        return False
    places, sizes = array("q", map(Tensor.data_ptr, tensors)), array("q", map(Tensor.numel, parameters))
    total = sum(sizes)
    settings = _Settings(group["lr"], *group["betas"], group["eps"], decay)
    told = len(sizes), sizes.buffer_info()[0], places.buffer_info()[0], settings
    native.count(len(sizes), told[2])
    if total < 2 * NEAR * SHARE:
        native.step(0, total, *told)
    else:
        share_out(
            lambda number, first, last: native.step(NEAR * first, min(NEAR * last, total), *told), -(-total // NEAR)
        )
    return True


@cache
def _native() -> ctypes.CDLL | None:
    """The kernel; ``None`` where it cannot be compiled."""
    found = library_or_none(Path(__file__).with_name("dense_steps.cpp"))
    if found is not None:
        whole, place = ctypes.c_int64, ctypes.c_void_p
        found.count.argtypes, found.count.restype = [whole, place], None
        found.step.argtypes, found.step.restype = [*[whole] * 3, place, place, ctypes.POINTER(_Settings)], None
    return found
