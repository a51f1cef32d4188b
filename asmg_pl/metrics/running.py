"""Sums that grow along a walk, rounded once at the end, so that they are the sums of all numbers at once."""

from __future__ import annotations

import math


class RunningSum:
    """A sum that is exact until it is read: the same number as ``math.fsum`` of all that were added.

    The time of an addition does not grow with their number.

    Source: Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997.

    Examples:
        >>> running = RunningSum()
        >>> for number in (0.1,) * 10:
        ...     running.add(number)
        >>> running.total(), sum((0.1,) * 10)
        (1.0, 0.9999999999999999)
    """

    def __init__(self) -> None:
        """Begin at 0."""
        self._parts: list[float] = []  # whose exact sum is the sum; no two overlap
        self._not_finite = 0.0

    def add(self, number: float) -> None:
        """Add a number."""
        if not math.isfinite(number):
            self._not_finite += number
            return
        kept = 0
        for part in self._parts:
            larger, smaller = (number, part) if abs(number) >= abs(part) else (part, number)
            number = larger + smaller
            if rest := smaller - (number - larger):
                self._parts[kept] = rest
                kept += 1
        self._parts[kept:] = [number]

    def total(self, further: float = 0.0) -> float:
        """The sum, with a further number that is not kept."""
        return math.fsum([*self._parts, further]) + self._not_finite
