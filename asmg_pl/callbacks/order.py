"""The order in which a walk's callbacks are called, which Lightning takes from the trainer's list.

    PeriodLoop          begins and ends each phase: it has results and the next place ready for the others
    PeriodReport, …     read what the loop has found
    WandbRun            reads the report's timings too
    checkpoints         keep what all others have done; Lightning puts them last

Callbacks from outside this package may stand anywhere. One that stands before the loop sees each phase before its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from lightning.pytorch.callbacks import Callback, Checkpoint

from asmg_pl.callbacks.report import PeriodReport
from asmg_pl.callbacks.wandb_run import WandbRun
from asmg_pl.errors import ConfigError


def check_order(callbacks: Sequence[Callback], loop: Callback) -> None:
    """Check that the package's callbacks stand in their order.

    Args:
        callbacks: of the trainer.
        loop: the period loop.

    Raises:
        ConfigError: naming two callbacks that must change places.
    """

    def reads(late: Callback, early: Callback) -> bool:
        """Whether a callback reads what another one has done."""
        if late is loop or early is loop:
            return early is loop
        if isinstance(late, Checkpoint) or isinstance(early, Checkpoint):
            return isinstance(late, Checkpoint) and not isinstance(early, Checkpoint)
        return isinstance(late, WandbRun) and isinstance(early, PeriodReport)

    ours = [found for found in callbacks if found is loop or type(found).__module__.startswith("asmg_pl.")]
    for earlier, later in combinations(ours, 2):
        if reads(earlier, later):
            late, early = type(earlier).__name__, type(later).__name__
            raise ConfigError(
                f"trainer.callbacks has {late} before {early}, and {late} reads what {early} has done: name {early} "
                "first"
            )
