"""Digests of a checkpoint's entries, by which a change of any value is noticed.

The file format has a checksum for each of its parts, which tells that the bytes are those that were stored. A digest
tells that the values are those that the walk had: it also covers which value stands where.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.checkpoints.values import Flaw

#: The types of single values beside tensors.
PLAIN = (int, float, complex, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size)

#: Bytes of a file that are read at a time.
CHUNK = 2**24


def digests_of(checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each entry, hexadecimal; it takes one pass over the tensors' bytes.

    Raises:
        Flaw: if an entry has something else than tensors and plain values, which cannot be read without running code.
    """
    return {
        name: hashlib.sha256("\n".join(_lines(entry, name)).encode()).hexdigest() for name, entry in checkpoint.items()
    }


def digest_of_file(path: Path) -> str:
    """The checksum of a file's bytes, with their number."""
    checksum = size = 0
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            checksum, size = zlib.crc32(part, checksum), size + len(part)
    return f"{size} {checksum}"


def _lines(value: Any, entry: str) -> Iterator[str]:
    """What a value is, line by line, nested ones included."""
    if type(value) in (dict, OrderedDict):
        yield f"mapping of {len(value)}"
        for key, inner in value.items():
            yield from _lines(key, entry)
            yield from _lines(inner, f"{entry}.{key}")
    elif type(value) in (list, tuple):
        yield f"{type(value).__name__} of {len(value)}"
        for place, inner in enumerate(value):
            yield from _lines(inner, f"{entry}[{place}]")
    elif type(value) is set:
        yield f"set of {sorted(map(repr, value))}"
    elif type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided:
        numbers = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        yield f"{value.dtype} {list(value.shape)} {zlib.crc32(memoryview(numbers))}"
    elif type(value) in PLAIN:
        yield f"{type(value).__name__} {value!r}"
    else:
        raise Flaw(entry, f"has a {type(value).__module__}.{type(value).__qualname__}, where a plain value must stand")
