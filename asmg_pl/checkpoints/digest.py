"""Digests of a checkpoint's entries, which reveal a change of any value.

The checksums of the file format reveal changed bytes. A digest reveals changed values: it also covers the place of each
value.
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

#: The types of plain values.
PLAIN = (int, float, complex, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size)

#: The number of bytes of a file that are read at once.
CHUNK = 2**24


def digests_of(checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """Compute a hexadecimal digest of each entry, in one pass over the tensors' bytes.

    Raises:
        Flaw: if an entry has another value than tensors and plain values, since reading it would run code.
    """
    return {
        name: hashlib.sha256("\n".join(_lines(entry, name)).encode()).hexdigest() for name, entry in checkpoint.items()
    }


def digest_of_file(path: Path) -> str:
    """Compute the checksum of a file's bytes and of their number."""
    checksum = size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum, size = zlib.crc32(chunk, checksum), size + len(chunk)
    return f"{size} {checksum}"


def _lines(value: Any, entry: str) -> Iterator[str]:
    """Describe a value line by line, with its nested values."""
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
