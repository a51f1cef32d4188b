"""Callbacks of Lightning's that a walk cannot have, and what to use instead."""

from __future__ import annotations

from collections.abc import Sequence

from asmg_pl.errors import ConfigError

_STEPS = "updaters take their own steps and say what serves: write an updater of your own (docs/updater.md)"
_CHECKPOINTS = "a walk goes on only from the end of a phase, where it saves by itself: see --checkpoint.keep"
_TUNING = "a walk trains on what it has scored: choose on the warm-up periods, as asmg tune does"
_BAR = "a walk has its own bar, which --progress.enable false takes away"
_THERE = "the walk has it already: its settings are options, see asmg fit --help"

#: Why, by the name of the class.
REFUSED = {
    "EarlyStopping": "a walk has no validation and ends with the stream; to end it at a period, use --loop.until",
    "ModelCheckpoint": _CHECKPOINTS,
    "OnExceptionCheckpoint": _CHECKPOINTS,
    "Timer": "use --trainer.max_time",
    "GradientAccumulationScheduler": "use --data.accumulate",
    "BatchSizeFinder": _TUNING,
    "LearningRateFinder": _TUNING,
    "StochasticWeightAveraging": _STEPS,
    "WeightAveraging": _STEPS,
    "EMAWeightAveraging": _STEPS,
    "ModelPruning": _STEPS,
    "BaseFinetuning": _STEPS,
    "BackboneFinetuning": _STEPS,
    "TQDMProgressBar": _BAR,
    "RichProgressBar": _BAR,
    "PeriodLoop": _THERE,
    "PeriodReport": _THERE,
    "PeriodProgress": _THERE,
    "PhaseCheckpoint": _THERE,
    "ServingExport": _THERE,
    "WandbRun": _THERE,
    "Heartbeat": _THERE,
}

#: Those which Lightning adds by itself to a trainer that is made in Python, or for ``max_time``.
ADDED = ("ModelCheckpoint", "Timer", "TQDMProgressBar", "RichProgressBar")


def refuse_callback(names: Sequence[str]) -> None:
    """Refuse a callback that a walk cannot have.

    Args:
        names: of its class and of the classes that it inherits from.

    Raises:
        ConfigError: with the reason.
    """
    for name in names:
        if name in REFUSED:
            raise ConfigError(f"trainer.callbacks has {names[0]}, which a walk cannot have: {REFUSED[name]}")
