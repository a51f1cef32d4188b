"""Where a walk stands in its stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Place:
    """The next phase of a walk, and how far its models have been trained.

    The period loop owns the place, and nothing else moves it. Every checkpoint has it.

    Attributes:
        period: the period that has arrived, or that arrives next; 0 at the beginning.
        phase: the number of the next phase within the period, from 0.
        trained_until: the latest period that any training has read; 0 at the beginning. A score on this period or an
            earlier one would not be honest.
        until: the last period to walk; ``None`` if the stream's newest is the last. It is a setting, and not saved.
        running: whether the next phase has begun, and not yet ended. It is not saved.
    """

    period: int = 0
    phase: int = 0
    trained_until: int = 0
    until: int | None = None
    running: bool = False

    def begin_phase(self) -> None:
        """Note that the next phase has begun."""
        self.running = True

    def end_phase(self, trained_on: Iterable[int] = ()) -> None:
        """Go on to the phase after it.

        Args:
            trained_on: the periods that the phase has trained on.
        """
        self.phase += 1
        self.trained_until = max(self.trained_until, *trained_on, 0)
        self.running = False

    def end_pretraining(self, periods: int) -> None:
        """Note that an earlier walk has pre-trained the base model on the first periods."""
        self.trained_until = max(self.trained_until, periods)

    def next_period(self) -> None:
        """Go on to the first phase of the next period."""
        self.period, self.phase = self.period + 1, 0

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint keeps."""
        return {"period": self.period, "phase": self.phase, "trained_until": self.trained_until}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to the place that a checkpoint has kept."""
        self.period, self.phase, self.trained_until = state["period"], state["phase"], state["trained_until"]
