"""One walk at a time in a run folder: who walks there holds a lock, which the system lifts when the process ends."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from asmg_pl.errors import ConfigError
from asmg_pl.system.lock import locked

LOCK = ".run.lock"


class Ownership:
    """The right to write to a run folder."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet."""
        self.folder = folder
        self._held = ExitStack()
        self._made = False

    def take(self) -> None:
        """Take the folder, which is made if it is not there.

        Raises:
            BusyError: if another process has it.
            ConfigError: if it cannot be written to.
        """
        mend = "wait for its end, stop it, or choose another run folder (--trainer.default_root_dir FOLDER)"
        try:
            missing = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._made = missing
            self._held.enter_context(locked(self.folder / LOCK, f"{self.folder} is walked in", mend, again=False))
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"{self.folder} cannot be the run folder ({reason}): give a folder that can be written to "
                "(--trainer.default_root_dir FOLDER)"
            ) from error

    def release(self) -> None:
        """Give the folder back, if it is held; one that was made for nothing goes."""
        empty = self._made and {path.name for path in self.folder.glob("*")} <= {LOCK, f"{LOCK}.holder"}
        if empty:
            (self.folder / LOCK).unlink(missing_ok=True)
        self._held.close()
        if empty:
            self.folder.rmdir()
        self._made = False
