"""A run folder at an address whose checkpoints are spread over the copies of several machines.

    machine 1    its rows ──────▶ objects ──┐
    machine 0    its rows, all else ──▶ objects ──┴──▶ the listing, which has the files of all machines

The first process of each machine puts up what the machine has. It tells the first machine, which creates the listing
when all parts are there. So the address has a checkpoint whole, or not at all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch.distributed as dist

from asmg_pl.callbacks.run_folder import CHECKPOINTS
from asmg_pl.distributed.board import Board
from asmg_pl.errors import StorageError, UserError
from asmg_pl.storage.copy import Change, Copy
from asmg_pl.storage.listing import Entry
from asmg_pl.system.files import remove

#: Seconds for which a machine that ends early waits for the others to put up their parts.
LAST = 30.0


def leaders(copy: Copy, local_rank: int) -> list[int]:
    """The ranks that lead a machine with a copy of its own, ascending. Every process calls it.

    Args:
        copy: of this process.
        local_rank: of this process on its machine.
    """
    sign: list[Any] = [f"sign-{uuid.uuid4().hex}"]
    dist.broadcast_object_list(sign)
    path = copy.folder.parent / sign[0]
    if dist.get_rank() == 0:
        path.touch()
    dist.barrier()
    leads = dist.get_rank() == 0 or (local_rank == 0 and not path.exists())
    found = [False] * dist.get_world_size()
    dist.all_gather_object(found, leads)
    path.unlink(missing_ok=True)
    return [rank for rank, each in enumerate(found) if each]


class Parts:
    """One machine's part of what goes up."""

    def __init__(self, copy: Copy, board: Board, machine: int, machines: int) -> None:
        """Put up nothing yet.

        Args:
            copy: of this machine.
            board: of the walk.
            machine: the number of this machine.
            machines: how many there are.

        Raises:
            BusyError: if another process of this machine walks in the copy.
        """
        self._held = ExitStack()
        self._held.enter_context(copy.in_parts())
        self._copy, self._board = copy, board
        self._machine, self._machines = machine, machines
        self._count = 0
        self._there: Mapping[str, Entry] = {}

    def put(self, change: Change) -> None:
        """Put up a change together with all other machines.

        Raises:
            BusyError: if another program has taken over the run folder.
            StorageError: if the store does not take the part of one of the machines.
        """
        self._count += 1
        if self._machine:
            self._put_part(change)
            if refused := self._board.find(f"{self._count}/listed"):
                raise StorageError(refused)
            return
        self._board.leave(f"{self._count}/number", str(self._copy.listing.number + 1))
        try:
            self._copy.put(change, always=True, others=self._others)
        except UserError as error:
            self._board.leave(f"{self._count}/listed", str(error))
            raise
        self._board.leave(f"{self._count}/listed", "")

    def settle(self) -> None:
        """See to the local copy after a change has gone up: the first one has it all, the others keep nothing of it."""
        if self._machine == 0:
            self._copy.link(self._there)
            return
        for folder in {(self._copy.folder / path).parent for path in self._there}:
            remove(folder)

    def give_up(self) -> None:
        """Wait for the other machines for :data:`LAST` seconds more, and no longer."""
        self._board.give_up(LAST)

    def leave_together(self) -> None:
        """Have the first machine stay until the others have read that all is there."""
        if self._machine:
            self._board.leave(f"left/{self._machine}", "")
        else:
            for machine in range(1, self._machines):
                self._board.find(f"left/{machine}")
        self.close()

    def close(self) -> None:
        """Let others work in the copy."""
        self._held.close()

    def _put_part(self, change: Change) -> None:
        """Put up the files that this machine's ranks have written, and say which they are."""
        own = {path: file for path, file in change.new.items() if Path(path).parts[0] == CHECKPOINTS}
        number = int(self._board.find(f"{self._count}/number"))
        name = f"{self._count}/{self._machine}"
        try:
            self._there = self._copy.remote.put_up(own, number)
        except UserError as error:
            self._board.leave(name, json.dumps({"refused": str(error)}))
            raise
        self._board.leave(name, json.dumps({path: asdict(entry) for path, entry in self._there.items()}))

    def _others(self) -> Mapping[str, Entry]:
        """What the other machines have put up.

        Raises:
            StorageError: if one of them could not.
        """
        there: dict[str, Entry] = {}
        for machine in range(1, self._machines):
            found = json.loads(self._board.find(f"{self._count}/{machine}"))
            if refused := found.get("refused"):
                raise StorageError(refused)
            there |= {path: Entry(**entry) for path, entry in found.items()}
        self._there = there
        return there
