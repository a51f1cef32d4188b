"""Compiles C++ kernels when a machine first needs them, which takes seconds, and keeps them in the user's cache.

A kernel goes over rows of a table, each by itself, so that threads can share the rows.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from asmg_pl.system.lazy import later

if TYPE_CHECKING:
    import torch
else:
    torch = later("torch")

#: Loops over rows become vector operations. Additions keep the order of the source, so that numbers are repeatable.
FLAGS = ["-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]
if platform.machine() in ("x86_64", "AMD64"):  # compilers prefer half the width, for programs with few such loops
    FLAGS.append("-mprefer-vector-width=512")

#: The fewest rows of a thread.
SHARE = 1024

_Part = Callable[[int, int, int], None]


def cpp_compiler() -> list[str] | None:
    """The C++ compiler's path and first options, from the environment variable ``CXX``; g++ or clang++ by default.

    ``CXX`` may name a program and its arguments, as ``ccache g++`` does. Without a compiler, ``None``.
    """
    for command in [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]:
        program, *others = shlex.split(command)
        if found := shutil.which(program):
            return [found, *others]
    return None


@cache
def library(source: Path, **sizes: int) -> ctypes.CDLL:
    """A compiled kernel, which is compiled if the cache folder lacks it for this processor.

    Args:
        source: the C++ file; headers beside it may be included.
        sizes: the constants that the file is compiled with.

    Raises:
        OSError: if it cannot be compiled.
    """
    compiler = cpp_compiler()
    if compiler is None:
        raise OSError("there is no C++ compiler: install g++, or name one in the environment variable CXX")
    constants = [f"-D{constant}={value}" for constant, value in sizes.items()]
    command = [*compiler, "-std=c++17", *FLAGS, *constants, "-shared", "-fPIC"]
    texts = b"".join(file.read_bytes() for file in (source, *sorted(source.parent.glob("*.h"))))
    key = hashlib.sha256(texts + "\n".join([*command, _processor()]).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asmg_pl"
    path = folder / f"{source.stem}-{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:  # several processes may compile at the same time
            made = Path(place) / path.name
            done = subprocess.run([*command, str(source), "-o", str(made)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise OSError(f"{shlex.join(compiler)} cannot compile {source.name}: {done.stderr.strip()}")
            made.replace(path)
    return ctypes.CDLL(str(path))


@cache
def library_or_none(source: Path, **sizes: int) -> ctypes.CDLL | None:
    """The same; ``None`` where it cannot be compiled, which is tried once."""
    try:
        return library(source, **sizes)
    except OSError:
        return None


def _processor() -> str:
    """A text that differs between processors with other instructions."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return platform.machine() + platform.processor() + flags


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


def share_out(part: _Part, rows: int) -> None:
    """Call ``part(number, first, last)`` for each share of the rows, side by side; there are as many as threads."""
    count = max(1, min(torch.get_num_threads(), rows // SHARE))
    if count == 1:
        part(0, 0, rows)
        return
    ends = [rows * number // count for number in range(count + 1)]
    # ctypes releases Python's lock during a call, so that threads run at the same time.
    list(_threads(count).map(part, range(count), ends, ends[1:]))
