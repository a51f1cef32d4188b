"""Checks of single values of a checkpoint; an error names the entry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


class Flaw(ValueError):
    """An error about an entry that is missing, or has a value that no walk writes."""

    def __init__(self, entry: str, problem: str) -> None:
        """Take the name of the entry and its flaw."""
        super().__init__(f"its entry {entry} {problem}")


def integer(entry: str, value: Any, least: int = 0, most: float = math.inf) -> None:
    """Check a whole number."""
    if type(value) is not int or not least <= value <= most:
        span = f"from {least} to {most}" if most < math.inf else f"from {least} on"
        raise Flaw(entry, f"must be a whole number {span}, not {shown(value)}")


def number(entry: str, value: Any, least: float = -math.inf, defined: bool = True) -> None:
    """Check a number. It may be NaN unless it must be ``defined``."""
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
    """Check that a tensor has no NaN, no number below a bound and, if it must be ``finite``, no infinite number."""
    if not isinstance(value, Tensor):
        raise Flaw(entry, f"must be a tensor, not {shown(value)}")
    if value.is_floating_point():
        wrong = ~value.isfinite() if finite else value.isnan()
        if wrong.any():
            raise Flaw(entry, f"has {int(wrong.sum()):,} of {value.numel():,} numbers that are not finite")
    if value.numel() and least > -math.inf and float(value.min()) < least:
        raise Flaw(entry, f"has a number below {least:g}")


def check_infinite(saved: Mapping[str, Any], fresh: Mapping[str, Any], entry: str = "state_dict") -> None:
    """Check that tensors have no infinite numbers, except where a fresh module has them too, as in a mask.

    Raises:
        Flaw: if a tensor has an infinite number; it names the entry.
    """
    for name, now in fresh.items():
        if isinstance(now, Tensor) and name in saved and (not now.is_floating_point() or now.isfinite().all()):
            tensor(f"{entry}.{name}", saved[name])


def shown(value: Any) -> str:
    """A short form of a value for a message."""
    words = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
    return words if len(words) <= 60 else f"{words[:57]}…"
