"""The store's pointer is looked at from time to time; a version that it names anew takes over between two requests."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from asmg_pl.errors import UserError
from asmg_pl.serving.server.metrics import Metrics

log = logging.getLogger(__name__)


class Follows(Protocol):
    """What can take over the version that a store's pointer names."""

    def reload(self) -> bool:
        """Load the version if it is another one; whether it took over."""


class Reloading:
    """Reloads, and remembers why the last one failed.

    Attributes:
        failure: why the newest version could not be loaded; ``None`` if it could.
    """

    def __init__(self, live: Follows, metrics: Metrics) -> None:
        """Take what is reloaded.

        Args:
            live: follows the store.
            metrics: count swaps and failures.
        """
        self._live = live
        self._metrics = metrics
        self.failure: str | None = None

    def once(self) -> None:
        """Look at the pointer once. A version that cannot be loaded is logged, and changes nothing."""
        try:
            swapped = self._live.reload()
        except (UserError, OSError) as error:
            self._metrics.failed_reloads.inc()
            if self.failure != str(error):
                log.warning("the version before goes on serving: %s", error)
            self.failure = str(error)
            return
        self.failure = None
        if swapped:
            self._metrics.swaps.inc()

    async def every(self, seconds: float) -> None:
        """Look at the pointer again and again, in a thread of its own, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.once)
