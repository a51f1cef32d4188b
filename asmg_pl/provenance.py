"""What a run was made of, beside its configuration: the program's version and the stream."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from asmg_pl import __version__
from asmg_pl.data.datamodule import PeriodDataModule


def provenance(data: PeriodDataModule) -> dict[str, Any]:
    """What tells two runs with one configuration apart, as plain values for a logger.

    Returns:
        ``code``, with the package's version and :func:`commit`; ``stream``, with the fingerprint of the rows that were
        cut into periods, see :meth:`asmg_pl.data.InteractionLog.fingerprint`, and the numbers of rows, periods, users,
        items and categories.
    """
    cut, sizes = data.state_dict(), data.sizes
    counts = {"users": sizes.users, "items": sizes.items, "categories": sizes.categories}
    stream = {"fingerprint": cut["fingerprint"], "rows": cut["rows"], "periods": len(cut["boundaries"]) - 1, **counts}
    return {"code": {"version": __version__, "commit": commit()}, "stream": stream}


def commit() -> str | None:
    """The git commit that the package was checked out at, with ``-dirty`` if files have been changed since.

    ``None`` if it does not run from a checkout of its own repository, or without git.
    """
    try:
        if _git("ls-files", "--error-unmatch", "__init__.py") is None:
            return None
        return _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    except OSError:
        return None


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
