"""Who listens to steps: Lightning calls hooks around each backward pass and each step, whether or not they do anything.

With a dozen callbacks the calls take 0.2 ms, as long as a tenth of a step on a small mini-batch. Where no callback, no
profiler and no strategy of several devices has a use for them, a step goes without.
"""

from __future__ import annotations

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy

#: The hooks of callbacks and modules that Lightning calls around backward pass and step in manual optimisation.
HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


def somebody_listens(trainer: Trainer, module: LightningModule) -> bool:
    """Whether hooks around backward pass and step have an effect.

    Args:
        trainer: with its callbacks, its profiler and its strategy.
        module: which may have hooks of its own.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return (
        not isinstance(trainer.strategy, SingleDeviceStrategy)
        or not isinstance(trainer.profiler, PassThroughProfiler)  # type: ignore[attr-defined]
        or any(overrides(callback, Callback, *HOOKS) for callback in callbacks)
        or overrides(module, LightningModule, *HOOKS, "backward", "manual_backward")
    )


def overrides(listener: object, plain: type, *methods: str) -> bool:
    """Whether an object's class has its own version of one of the methods of a base class."""
    return any(getattr(type(listener), method) is not getattr(plain, method) for method in methods)
