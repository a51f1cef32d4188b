"""Signs of life among the processes of a walk: each process watches the next one, and one that stands still is named.

    process 0 ──watches──▶ 1 ──watches──▶ 2 ──watches──▶ 0          process 0 holds the store of all beats

A thread of each process beats, so a process that computes, or waits for others, gives signs of life. A process gives
none if it is stopped, or if its machine is frozen, has lost the network, or is gone. The others would wait for it in a
library, where no error reaches them. So they are ended.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from asmg_pl.distributed.board import common_store

#: Beats within the time after which a process counts as silent.
BEATS = 10

#: The key under which a process says why all others must end. It is empty while nothing is wrong.
VERDICT = "verdict"


class Heartbeat:
    """The beats of this process, and its watch over the next one.

    Silence is counted in beats of this process, not in seconds of a clock: if all processes are stopped and go on
    later, none of them was silent.
    """

    def __init__(self, timeout: float, place: Callable[[], str]) -> None:
        """Set the patience.

        Args:
            timeout: the seconds without a sign of life after which the walk ends.
            place: says where the walk stands, for the message.
        """
        self.timeout = timeout
        self._place = place
        self._interval = timeout / BEATS
        self._stopped = threading.Event()
        self._rounds = 0  # exchanges with the store that have been completed
        self._names: list[str] = []

    def start(self) -> None:
        """Begin to beat and to watch. Every process of the walk calls it, once there is a process group."""
        rank, ranks = dist.get_rank(), dist.get_world_size()
        store = common_store(self.timeout)
        if rank == 0:
            store.set(VERDICT, "")
        store.set(_beat(rank), "0")
        self._names = [""] * ranks
        own = f"process {rank} of the walk ({socket.gethostname()}, process id {os.getpid()})"
        dist.all_gather_object(self._names, own)  # after which all have beaten, and there is no verdict
        for task in (lambda: self._exchange(store, rank, (rank + 1) % ranks), self._watch_the_store):
            threading.Thread(target=task, daemon=True).start()

    def stop(self) -> None:
        """Stop beating and watching. No process is ended afterwards."""
        self._stopped.set()

    def _exchange(self, store: TCPStore, rank: int, watched: int) -> None:
        """Beat, and look whether the watched process has; in a thread, since the store may not answer."""
        heard, silent = b"", 0
        with suppress(RuntimeError):  # the store has gone with its process, which the other thread notices
            while not self._stopped.wait(self._interval):
                self._rounds += 1
                store.set(_beat(rank), str(self._rounds))
                if verdict := store.get(VERDICT):
                    self._end(verdict.decode() if os.environ.get("LOCAL_RANK", "0") == "0" else "")
                beat = store.get(_beat(watched))
                heard, silent = beat, (silent + 1 if beat == heard else 0)
                if silent >= BEATS:
                    found = self._verdict(watched)
                    store.set(VERDICT, found)
                    self._end(found)

    def _watch_the_store(self) -> None:
        """Look whether the first process, which holds the store, answers this one."""
        seen, silent = -1, 0
        while not self._stopped.wait(self._interval):
            seen, silent = self._rounds, (silent + 1 if self._rounds == seen else 0)
            if silent >= BEATS:
                self._end(self._verdict(0))

    def _verdict(self, silent: int) -> str:
        return (
            f"{self._names[silent]} has given no sign of life for {self.timeout:g} seconds (heartbeat.timeout), in "
            f"{self._place()}: it is stopped, or its machine is frozen, cut off or gone. End it if it is still there, "
            "and go on from the last checkpoint with --ckpt_path last"
        )

    def _end(self, message: str) -> None:
        """End this process with status 2: its main thread may wait in a library, and no error would reach it."""
        if self._stopped.is_set():
            return
        if message:
            with suppress(OSError):
                os.write(2, f"asmg: {message}\n".encode())
        os._exit(2)


def _beat(rank: int) -> str:
    return f"beat/{rank}"
