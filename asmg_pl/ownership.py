"""One walk at a time in a run folder: who walks there holds a lock, which the system lifts when the process ends."""

from __future__ import annotations

import json
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from asmg_pl.errors import ConfigError
from asmg_pl.files import written_whole

LOCK, OWNER = ".run.lock", ".run.owner"


class Ownership:
    """The right to write to a run folder.

    The lock is one of the operating system on ``.run.lock``, so that it goes with its process, however that ends.
    ``.run.owner`` says who holds it, for people.
    """

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet."""
        self.folder = folder
        self._lock = FileLock(folder / LOCK)

    def take(self) -> None:
        """Take the folder, which is made if it is not there.

        Raises:
            ConfigError: if another process has it, or it cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
            with written_whole(self.folder / OWNER) as partial:
                partial.write_text(json.dumps(_self()) + "\n")
        except Timeout:
            raise ConfigError(
                f"{self.folder} belongs to another walk that is running{_described(self.folder / OWNER)}: wait for its "
                "end, stop it, or choose another run folder (--trainer.default_root_dir FOLDER)"
            ) from None
        except (OSError, NotImplementedError) as error:
            self.release()
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"{self.folder} cannot be the run folder ({reason}): give a folder that can be written to "
                "(--trainer.default_root_dir FOLDER)"
            ) from error

    def release(self) -> None:
        """Give the folder back, if it is held."""
        if self._lock.is_locked:
            (self.folder / OWNER).unlink(missing_ok=True)
            self._lock.release(force=True)


def _self() -> dict[str, Any]:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": now}


def _described(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
        return f", process {int(owner['process'])} on {owner['host']!s:.80} since {owner['since']!s:.40}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
