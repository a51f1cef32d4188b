"""What processes of a walk leave for one another outside its messages, so that threads can wait for it."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from asmg_pl.errors import StorageError

#: Seconds between two looks.
PAUSE = 0.1


def common_store(timeout: float) -> TCPStore:
    """A store that the first process holds, and that ends with it. Every process of the walk calls this.

    Args:
        timeout: the seconds after which a call of the store fails that gets no answer.
    """
    address, patience = os.environ.get("MASTER_ADDR", "localhost"), timedelta(seconds=timeout)
    port, store = 0, None
    if dist.get_rank() == 0:
        store = TCPStore(address, 0, is_master=True, wait_for_workers=False, timeout=patience)
        port = store.port
    found = [("", 0)] * dist.get_world_size()
    dist.all_gather_object(found, (address, port))
    if store is None:
        store = TCPStore(*found[0], is_master=False, wait_for_workers=False, timeout=patience)
    return store


class Board:
    """Texts by name. Each name is given once."""

    def __init__(self, timeout: float = 60.0) -> None:
        """Open it. Every process of the walk calls this.

        Args:
            timeout: the seconds after which a process counts as gone that holds the texts and does not answer.
        """
        self._store = common_store(timeout)
        self._until = float("inf")

    def leave(self, name: str, text: str) -> None:
        """Leave a text under a name."""
        self._store.set(name, text)

    def find(self, name: str) -> str:
        """Wait until there is a text under a name, and return it.

        Raises:
            StorageError: if the process that holds the texts is gone, or the time is over that :meth:`give_up` has set.
        """
        try:
            while not self._store.check([name]):
                if time.monotonic() > self._until:
                    raise StorageError("another machine of the walk has not put up its part of the checkpoint")
                time.sleep(PAUSE)
            return self._store.get(name).decode()
        except RuntimeError as error:
            raise StorageError("the machine with the first process of the walk does not answer") from error

    def give_up(self, seconds: float) -> None:
        """Wait for nothing any more after so many seconds."""
        self._until = time.monotonic() + seconds
