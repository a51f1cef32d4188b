"""Checks of single values that a checkpoint holds; each names the entry that is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
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


def tensor(entry: str, value: Any, least: float = -math.inf, finite: bool = True) -> None:
    """Check a tensor, all of whose numbers are numbers, not below a bound, and not infinite if they are ``finite``."""
    if not isinstance(value, Tensor):
        raise Flaw(entry, f"must be a tensor, not {shown(value)}")
    if value.is_floating_point():
        wrong = ~value.isfinite() if finite else value.isnan()
        if wrong.any():
            raise Flaw(entry, f"has {int(wrong.sum()):,} of {value.numel():,} numbers that are not finite")
    if value.numel() and least > -math.inf and float(value.min()) < least:
        raise Flaw(entry, f"has a number below {least:g}")


def check_infinite(saved: Mapping[str, Any], fresh: Mapping[str, Any], entry: str = "state_dict") -> None:
    """Check that tensors have no infinite number, unless a fresh module has some there too, as a mask may.

    Raises:
        Flaw: naming the entry.
    """
    for name, now in fresh.items():
        if isinstance(now, Tensor) and name in saved and (not now.is_floating_point() or now.isfinite().all()):
            tensor(f"{entry}.{name}", saved[name])


def shown(value: Any) -> str:
    """A value for a message, in few letters."""
    words = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
    return words if len(words) <= 60 else f"{words[:57]}…"
