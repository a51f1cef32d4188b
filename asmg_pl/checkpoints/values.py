"""Checks of single values that a checkpoint holds; each names the entry that is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor


class Flaw(ValueError):
    """An entry is missing, or has a value that no walk writes."""

    def __init__(self, entry: str, problem: str) -> None:
        """Say which entry, and what is wrong with it."""
        super().__init__(f"its entry {entry} {problem}")


def integer(entry: str, value: Any, least: int = 0, most: float = math.inf) -> None:
    """Check a whole number."""
    if type(value) is not int or not least <= value <= most:
        span = f"from {least} to {most}" if most < math.inf else f"from {least} on"
        raise Flaw(entry, f"must be a whole number {span}, not {shown(value)}")


def number(entry: str, value: Any, least: float = -math.inf, defined: bool = True) -> None:
    """Check a number, which may be not-a-number if it need not be ``defined``."""
    if type(value) not in (int, float) or (defined and not math.isfinite(value)) or value < least:
        raise Flaw(entry, f"must be a{' finite' * defined} number, not {shown(value)}")


def text(entry: str, value: Any, pattern: str = r".*") -> None:
    """Check a text."""
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
        raise Flaw(entry, f"must be a text of the form {pattern}, not {shown(value)}")


def mapping(entry: str, value: Any, keys: type = str) -> dict[Any, Any]:
    """Check a mapping with keys of one type."""
    if not isinstance(value, dict) or not all(type(key) is keys for key in value):
        raise Flaw(entry, f"must be a mapping with keys of the type {keys.__name__}, not {shown(value)}")
    return value


def sequence(entry: str, value: Any) -> Sequence[Any]:
    """Check a list."""
    if not isinstance(value, list):
        raise Flaw(entry, f"must be a list, not {shown(value)}")
    return value


def plain(entry: str, value: Any) -> None:
    """Check a value that may be nested, of texts, numbers and tensors, all finite."""
    if isinstance(value, dict):
        for key, inner in value.items():
            plain(f"{entry}.{key}", inner)
    elif isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            plain(f"{entry}[{place}]", inner)
    elif isinstance(value, Tensor):
        tensor(entry, value)
    elif value is not None and not isinstance(value, (bool, int, float, str)):
        raise Flaw(entry, f"must be a plain value, not {shown(value)}")


def tensor(entry: str, value: Any, least: float = -math.inf) -> None:
    """Check a tensor, all of whose numbers are finite and not below a bound."""
    if not isinstance(value, Tensor):
        raise Flaw(entry, f"must be a tensor, not {shown(value)}")
    if value.is_floating_point():
        finite = value.isfinite()
        if not finite.all():
            raise Flaw(entry, f"has {int((~finite).sum()):,} of {value.numel():,} numbers that are not finite")
    if value.numel() and least > -math.inf and float(value.min()) < least:
        raise Flaw(entry, f"has a number below {least:g}")


def shown(value: Any) -> str:
    """A value for a message, in few letters."""
    words = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
    return words if len(words) <= 60 else f"{words[:57]}…"
