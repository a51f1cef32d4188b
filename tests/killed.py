"""Kills a program at a chosen step of its work on the disk, within the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest


class Killed(BaseException):
    """The program ends here: nothing that comes after it changes a file."""


def kill_at(patch: pytest.MonkeyPatch, step: int, steps: Sequence[tuple[Any, str]]) -> list[str]:
    """Have the program killed instead of taking a step, counted from 0.

    Args:
        patch: undoes it.
        step: which step.
        steps: the functions after which files are in another state, each by its place and name.

    Returns:
        The steps, as they are taken.
    """
    taken: list[str] = []

    def killable(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if len(taken) >= step:
                taken.append("killed")
                raise Killed
            taken.append(name)
            return real(*arguments, **options)

        return call

    for place, name in steps:
        patch.setattr(place, name, killable(name, getattr(place, name)))
    return taken
