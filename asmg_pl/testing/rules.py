"""A broken rule, and how a check finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor


class BrokenRule(AssertionError):
    """A class breaks a rule; the message names the class, what it does, and what to write instead."""


class Rules:
    """The rules as one class is checked against them."""

    def __init__(self, made_by: Callable[..., Any]) -> None:
        """Take the name of what is checked.

        Args:
            made_by: the class, a partial of it, or another callable that makes its instances.
        """
        while isinstance(made_by, partial):
            made_by = made_by.func
        self.name = getattr(made_by, "__name__", repr(made_by))

    def require(self, kept: bool, message: str) -> None:
        """Go on if a rule is kept.

        Raises:
            BrokenRule: with the message, if it is not.
        """
        if not kept:
            raise BrokenRule(f"{self.name}: {message}")

    @contextmanager
    def working(self, message: str) -> Iterator[None]:
        """A context in which nothing may be raised.

        Raises:
            BrokenRule: with the message and the error, if something is.
        """
        try:
            yield
        except BrokenRule:
            raise
        except Exception as error:
            raise BrokenRule(f"{self.name}: {message} ({type(error).__name__}: {error})") from error


def alike(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal up to rounding, as another order of operations gives it."""
    largest = max(1.0, float(first.abs().max())) if first.numel() else 1.0
    return torch.allclose(first, second, atol=1e-5 * largest, rtol=0)
