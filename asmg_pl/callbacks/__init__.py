"""Callbacks around the walk: the period loop, checkpoints, configuration, progress and the report."""

from asmg_pl.callbacks.checkpoint import PhaseCheckpoint
from asmg_pl.callbacks.configuration import RunConfig
from asmg_pl.callbacks.export import ServingExport
from asmg_pl.callbacks.period_loop import PeriodLoop
from asmg_pl.callbacks.progress import PeriodProgress
from asmg_pl.callbacks.report import PeriodReport
from asmg_pl.callbacks.wandb_run import WandbRun

__all__ = ["PeriodLoop", "PeriodProgress", "PeriodReport", "PhaseCheckpoint", "RunConfig", "ServingExport", "WandbRun"]
