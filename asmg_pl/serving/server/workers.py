"""The threads that score. A bounded number of requests waits for them; further ones are sent away at once.

The event loop goes on meanwhile: health and metrics are answered while a long request is scored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

Result = TypeVar("Result")


class Workers:
    """Threads, and the requests before them.

    Examples:
        >>> workers = Workers(threads=1, waiting=10)
        >>> asyncio.run(workers.run(lambda: 1 + 1))
        2
        >>> workers.close()
    """

    def __init__(self, threads: int = 1, waiting: int = 100) -> None:
        """Create the threads, which start with their first request.

        Args:
            threads: requests that are scored at the same time. More than one pays off only with free processors, since
                torch lets other threads run, but Python does not.
            waiting: requests that may wait for a thread.
        """
        self._most = threads + waiting
        self._present = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="scoring")

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call a function in one of the threads; called from the event loop.

        Raises:
            HTTPException: with status 503, if too many requests wait.
        """
        if self._present >= self._most:
            raise HTTPException(
                503,
                f"{self._present} requests are being answered or wait: try again in a second, with fewer at a time",
                {"Retry-After": "1"},
            )
        self._present += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self._present -= 1

    def close(self) -> None:
        """End the threads when their requests are answered."""
        self._threads.shutdown()
