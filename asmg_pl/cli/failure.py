"""How the program ends when something is wrong: one message, however many processes there are, and exit status 2.

What the user can mend is one message; of all else the traceback is shown. With ``ASMG_TRACEBACK=1`` in the environment,
or the option ``--debug``, the traceback behind a message is shown too.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import NoReturn

from asmg_pl.errors import UserError
from asmg_pl.storage.names import named
from asmg_pl.system.environment import process_rank
from asmg_pl.system.screen import styled

#: Seconds for which a process waits to be ended with the first one.
PATIENCE = 10.0

#: Libraries that open the files which the user names, beside Python's own.
LIBRARIES = frozenset(
    {"asmg_pl", "lightning", "lightning_utilities", "jsonargparse", "fsspec", "yaml", "numpy", "polars", "pyarrow"}
    | {"matplotlib", "PIL", "torch", "tqdm", "wandb", "tensorboard"}
)

_PARENT = os.getppid()


def leave(message: str, wait: bool = True) -> NoReturn:
    """Print a message and exit with status 2.

    What is wrong is mostly wrong in all processes, and the first one speaks for them: whoever launched the others ends
    them, or was the first one. Another process says itself what is wrong if nothing of that has happened for a while.

    Args:
        message: what is wrong, where, and how to mend it.
        wait: whether the first process may be about to say the same.
    """
    rank = process_rank()
    if rank:
        until = time.monotonic() + PATIENCE
        while wait and time.monotonic() < until:
            if os.getppid() != _PARENT:
                sys.exit(2)
            time.sleep(0.05)
        message = f"process {rank}: {message}"
    if os.environ.get("ASMG_TRACEBACK", "0") not in ("", "0") and (error := sys.exception()) is not None:
        _show_traceback(error)
    sys.stderr.write(f"{styled('asmg:', 'red', sys.stderr)} {named(message)}\n")
    sys.exit(2)


def _show_traceback(error: BaseException) -> None:
    """Print the traceback of an error and of all errors behind it, also those that its message stands in for."""
    behind: BaseException | None = error
    while behind is not None:
        behind.__suppress_context__ = behind.__cause__ is not None
        behind = behind.__cause__ or behind.__context__
    traceback.print_exception(error)


def leave_if_mendable(error: Exception) -> None:
    """Exit with one message if the user can mend what was raised, or if it was raised because another process ended."""
    cause: BaseException | None = error
    while cause is not None and not _mendable(cause):
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


def _mendable(error: BaseException) -> bool:
    """Whether an error is about what the user has given, and not about the user's own code or a fault of the program.

    An :class:`OSError` is about a file that the user has named, if the program or one of its libraries met it; an
    :class:`ImportError` of Lightning's names the package that one of its classes needs.
    """
    if isinstance(error, UserError):
        return True
    kinds = type(error).__mro__  # looked up by name, since these libraries are imported only by the commands that walk
    if any(kind.__name__ == "MisconfigurationException" and kind.__module__.startswith("lightning") for kind in kinds):
        return True
    if type(error).__module__.startswith(("wandb.errors", "mlflow.exceptions")):  # of Lightning's loggers
        return True
    modules = [f.f_globals.get("__name__", "").partition(".")[0] for f, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, ImportError):
        return modules[-1:] == ["lightning"]
    if not isinstance(error, OSError):
        return False
    last = max((place for place, module in enumerate(modules) if module == "asmg_pl"), default=-1)
    return all(module in LIBRARIES or module in sys.stdlib_module_names for module in modules[last + 1 :])


class OneMessage:
    """Mixed into an argument parser: an error is one message and exit status 2, without a page of usage before it."""

    help_command = "asmg fit --help"

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and exit."""
        leave(f"{self.explain(message)}\n(the accepted options: {self.help_command})")

    def explain(self, message: str) -> str:
        """The message as it is shown."""
        return message
