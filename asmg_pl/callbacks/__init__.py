"""Callbacks around the walk: the period loop, checkpoints, configuration, progress and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asmg_pl.system.lazy import lazy

if TYPE_CHECKING:
    from asmg_pl.callbacks.checkpoint import PhaseCheckpoint
    from asmg_pl.callbacks.configuration import RunConfig
    from asmg_pl.callbacks.export import ServingExport
    from asmg_pl.callbacks.heartbeat import Heartbeat
    from asmg_pl.callbacks.period_loop import PeriodLoop
    from asmg_pl.callbacks.progress import PeriodProgress
    from asmg_pl.callbacks.report import PeriodReport
    from asmg_pl.callbacks.wandb_run import WandbRun

#: Where the names stand. They are imported when they are first used, since commands that only read what walks have left
#: need no Lightning.
_HOMES = {
    "Heartbeat": ".heartbeat",
    "PeriodLoop": ".period_loop",
    "PeriodProgress": ".progress",
    "PeriodReport": ".report",
    "PhaseCheckpoint": ".checkpoint",
    "RunConfig": ".configuration",
    "ServingExport": ".export",
    "WandbRun": ".wandb_run",
}

__all__ = [
    "Heartbeat",
    "PeriodLoop",
    "PeriodProgress",
    "PeriodReport",
    "PhaseCheckpoint",
    "RunConfig",
    "ServingExport",
    "WandbRun",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
