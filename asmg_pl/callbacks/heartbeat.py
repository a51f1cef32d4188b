"""The heartbeat of a walk on several processes, as a callback."""

from __future__ import annotations

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.distributed import heartbeat
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater


class Heartbeat(Callback):
    """Ends a walk on several processes when one of them stands still, with a message that names it.

    It notices processes that are stopped, and machines that are frozen, cut off or gone. A process that lives, but
    never gets to where the others wait for it, is noticed by the process group alone, after the strategy's ``timeout``.
    """

    def __init__(self, timeout: float | None = 300.0) -> None:
        """Set the patience.

        Args:
            timeout: the seconds without a sign of life after which the walk ends; ``null`` to wait for ever.

        Raises:
            ConfigError: if the seconds are not positive.
        """
        if timeout is not None and not timeout > 0:
            raise ConfigError(f"heartbeat.timeout must be more than 0 seconds, or null, got {timeout}")
        self.timeout = timeout
        self._beating: heartbeat.Heartbeat | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin, if there are several processes."""

        def place() -> str:
            phase = pl_module.phase if isinstance(pl_module, Updater) else None
            return f"period {phase.period} · {phase.name}" if phase is not None else "the beginning"

        if trainer.world_size > 1 and self.timeout is not None:
            self._beating = heartbeat.Heartbeat(self.timeout, place)
            self._beating.start()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop at once: this process is about to say itself what is wrong."""
        if self._beating is not None:
            self._beating.stop()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop when all processes have got here, since one may still write files for all."""
        if self._beating is not None:
            trainer.strategy.barrier("heartbeat")
            self._beating.stop()
            self._beating = None
