"""A phase: one pass over some periods' rows, which is one Lightning epoch.

    D_t arrives ─▶ score ─▶ generate ─▶ update ─▶ D_{t+1} arrives ─▶ …

Updaters say which phases a period has. The period loop walks them: it has the data module read, hands each mini-batch
to the phase, and ends the phase.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asmg_pl.data.mini_batches.reading import Reading


def nothing() -> None:
    """Do nothing at a phase's beginning or end."""


@dataclass(frozen=True, eq=False)
class Phase:
    """What an updater does with the mini-batches of one pass.

    Attributes:
        reading: the rows that the pass reads. A phase that reads rows of its own choice is made anew when it begins, so
            the choice can be made by the end of the phase before it.
        on_batch: called with each mini-batch: a ``Batch``, or a tuple of them if the reading has several at a time.
            Parameters can be trained if the reading is for training; otherwise no gradient is recorded.
        end: called once after the last mini-batch.
        begin: called once before the first mini-batch.

    Examples:
        >>> seen = []
        >>> phase = Phase(Reading("count", period=14, periods=(14,), training=False), on_batch=seen.append)
        >>> phase.name, phase.period, phase.trains
        ('count', 14, False)
    """

    reading: Reading
    on_batch: Callable[[Any], None]
    end: Callable[[], None] = nothing
    begin: Callable[[], None] = nothing

    @property
    def name(self) -> str:
        """What the phase is for, e.g. ``"score"``."""
        return self.reading.name

    @property
    def period(self) -> int:
        """The period whose arrival the phase belongs to."""
        return self.reading.period

    @property
    def repeat(self) -> int:
        """The number of the pass over the same rows, from 0."""
        return self.reading.repeat

    @property
    def trains(self) -> bool:
        """Whether the phase changes parameters."""
        return self.reading.training
