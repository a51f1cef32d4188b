"""What every walk has, whether the command line or Python starts it: trainer settings and callbacks."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks import Callback

from asmg_pl.callbacks.checkpoint import PhaseCheckpoint
from asmg_pl.callbacks.export import ServingExport
from asmg_pl.callbacks.heartbeat import Heartbeat
from asmg_pl.callbacks.period_loop import PeriodLoop
from asmg_pl.callbacks.progress import PeriodProgress
from asmg_pl.callbacks.report import PeriodReport
from asmg_pl.callbacks.wandb_run import WandbRun

#: Settings of the trainer that a walk needs or is better with. An epoch is one phase of a period, so that the number of
#: epochs is open and each of them loads other rows.
TRAINER_DEFAULTS: dict[str, Any] = {
    "max_epochs": -1,
    "reload_dataloaders_every_n_epochs": 1,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "logger": False,
    "enable_model_summary": False,
}

#: The callbacks of a walk, by the name that their options have on the command line, in the order of the help.
CALLBACKS: dict[str, type[Callback]] = {
    "loop": PeriodLoop,
    "checkpoint": PhaseCheckpoint,
    "report": PeriodReport,
    "progress": PeriodProgress,
    "export": ServingExport,
    "wandb": WandbRun,
    "heartbeat": Heartbeat,
}
