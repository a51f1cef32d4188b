"""How the program ends when something is wrong: one message, however many processes there are, and exit status 2."""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import NoReturn

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only

from asmg_pl.errors import UserError

#: Seconds for which a process waits to be ended with the first one.
PATIENCE = 10.0

_PARENT = os.getppid()


def leave(message: str, wait: bool = True) -> NoReturn:
    """Print a message and exit with status 2.

    What is wrong is mostly wrong in all processes, and the first one speaks for them: whoever launched the others ends
    them, or was the first one. Another process says itself what is wrong if nothing of that has happened for a while.

    Args:
        message: what is wrong, where, and how to mend it.
        wait: whether the first process may be about to say the same.
    """
    rank = rank_zero_only.rank  # type: ignore[attr-defined]
    if rank:
        until = time.monotonic() + PATIENCE
        while wait and time.monotonic() < until:
            if os.getppid() != _PARENT:
                sys.exit(2)
            time.sleep(0.05)
        message = f"process {rank}: {message}"
    sys.stderr.write(f"asmg: {message}\n")
    sys.exit(2)


def leave_if_mendable(error: Exception) -> None:
    """Exit with one message if the user can mend what was raised, or if it was raised because another process ended."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (UserError, MisconfigurationException, OSError)):
        cause = cause.__cause__  # building a class from the configuration wraps what its __init__ raises
    if cause is not None:
        leave("\n".join([str(cause), *getattr(error, "__notes__", [])]))
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    if frame.f_globals.get("__name__", "").startswith("torch.distributed"):
        leave(
            f"there is no answer from another process of the walk, whose own message, if it could leave one, says why "
            f"({str(error).splitlines()[0].strip()}). Go on from the last checkpoint with --ckpt_path last",
            wait=False,
        )


class OneMessage:
    """Mixed into an argument parser: an error is one message and exit status 2, without a page of usage before it."""

    help_command = "asmg fit --help"

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and exit."""
        leave(f"{message}\n(the accepted options: {self.help_command})")
