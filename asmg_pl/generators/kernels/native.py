"""GRU cells and read-out of a table in one C++ kernel for the CPU, see ``gru_window.cpp``.

The kernel is compiled when a machine first needs it, which takes seconds, and kept in the user's cache folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asmg_pl.generators.kernels.base import Kernel

SOURCE = Path(__file__).with_name("gru_window.cpp")

#: Loops over rows become vector operations. Additions keep the order of the source, so that numbers are repeatable.
FLAGS = ["-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]

#: The fewest rows of a thread.
SHARE = 1024

#: Rows of a block. A block is computed whole, so that a few rows take the smaller one.
BLOCKS = (64, 8)

_Part = Callable[[int, int, int], None]


def cpp_compiler() -> str | None:
    """The path of the C++ compiler, from the environment variable ``CXX`` or of g++; ``None`` if there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


@cache
def library(hidden_size: int, block: int) -> ctypes.CDLL:
    """The kernel for states and blocks of one size, compiled if the cache folder lacks it for this processor.

    Raises:
        OSError: if it cannot be compiled.
    """
    compiler = cpp_compiler()
    if compiler is None:
        raise OSError("there is no C++ compiler: install g++, or name one in the environment variable CXX")
    command = [compiler, "-std=c++17", *FLAGS, f"-DSTATE={hidden_size}", f"-DROWS={block}", "-shared", "-fPIC"]
    key = hashlib.sha256(SOURCE.read_bytes() + "\n".join([*command, _processor()]).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asmg_pl"
    path = folder / f"gru_window-{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:  # several processes may compile at the same time
            made = Path(place) / path.name
            done = subprocess.run([*command, str(SOURCE), "-o", str(made)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise OSError(f"{compiler} cannot compile {SOURCE.name}: {done.stderr.strip()}")
            made.replace(path)
    found = ctypes.CDLL(str(path))
    found.forward.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 6
    found.backward.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_void_p] * 7
    found.forward.restype = found.backward.restype = None
    return found


def _processor() -> str:
    """A text that differs between processors with other instructions."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.machine() + platform.processor() + flags


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


def _run(part: _Part, rows: int) -> int:
    """Call ``part(number, first, last)`` for each share of the rows, side by side; the number of shares."""
    count = max(1, min(torch.get_num_threads(), rows // SHARE))
    if count == 1:
        part(0, 0, rows)
        return 1
    ends = [rows * number // count for number in range(count + 1)]
    # ctypes releases Python's lock during a call, so that threads run at the same time.
    list(_threads(count).map(part, range(count), ends, ends[1:]))
    return count


class NativeWindow(Kernel):
    """GRU cells on the CPU, for tables of any size and windows of any length."""

    name = "C++"

    def __init__(self, hidden_size: int) -> None:
        """Compile the kernels, or take them from the cache folder.

        Raises:
            OSError: if they cannot be compiled.
        """
        self._many, self._few = (library(hidden_size, block) for block in BLOCKS)

    def _for(self, rows: int) -> ctypes.CDLL:
        return self._many if rows >= BLOCKS[0] else self._few

    def __call__(self, cells: Any, output: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """See :meth:`Kernel.__call__`."""
        given = _weights(cells), output.weight, window, hidden
        change = _Window.apply(*given, self._for(len(hidden)))  # type: ignore[no-untyped-call]
        return output.around(window.transpose(1, 2), change.transpose(1, 2)).transpose(1, 2)

    def advance(self, cells: Any, window: Tensor, hidden: Tensor) -> Tensor:
        """See :meth:`Kernel.advance`."""
        states = torch.empty_like(hidden, memory_format=torch.contiguous_format)
        _forward(self._for(len(hidden)), window, hidden, _weights(cells), states=states)
        return states


def _weights(cells: Any) -> Tensor:
    """Weights u and W of all gates, float [D, 3H, 1+H]."""
    return torch.cat([cells.input_weight, cells.hidden_weight], 1).mT


def _forward(native: ctypes.CDLL, *given: Tensor, out: Tensor | None = None, states: Tensor | None = None) -> None:
    """Run the kernel on window, state, weights and, for ``out``, the weights of the read-out."""
    given = tuple(each.contiguous() for each in given)
    steps, rows, width = given[0].shape
    read = given[3].data_ptr() if len(given) > 3 else None
    places = [
        *(each.data_ptr() for each in given[:3]),
        read,
        *(None if r is None else r.data_ptr() for r in (out, states)),
    ]
    _run(lambda number, first, last: native.forward(first, last, steps, rows, width, *places), rows)


class _Window(torch.autograd.Function):
    """Computes w · h after each step, float [k, n, D]. Values and initial state are constants without a gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, read: Tensor, window: Tensor, hidden: Tensor, native: ctypes.CDLL) -> Tensor:
        given = [each.contiguous() for each in (window, hidden, weight, read)]
        ctx.save_for_backward(*given)
        ctx.native = native
        out = torch.empty(window.shape)
        _forward(native, *given, out=out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        given = ctx.saved_tensors
        window, _, weight, read = given
        steps, rows, width = window.shape
        gradient = gradient.contiguous()
        places = [each.data_ptr() for each in (*given, gradient)]
        # Each thread has sums of its own, which are added up in a fixed order.
        sums = [torch.zeros(torch.get_num_threads(), *each.shape, dtype=torch.float64) for each in (weight, read)]

        def part(number: int, first: int, last: int) -> None:
            own = [each[number].data_ptr() for each in sums]
            ctx.native.backward(first, last, steps, rows, width, *places, *own)

        _run(part, rows)
        by_weight, by_read = (each.sum(0).float() for each in sums)
        return by_weight, by_read, None, None, None
