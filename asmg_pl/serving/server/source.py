"""Where the scorer comes from: a store whose pointer is followed, or one version for good."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from asmg_pl.errors import PackageError
from asmg_pl.serving.live import Live
from asmg_pl.serving.remote import version_at
from asmg_pl.serving.scorer import Scorer, load


class Source(Protocol):
    """What the server asks for a scorer, once for each request.

    Attributes:
        refused: why the version that should serve does not; ``None`` if it does.
        swaps: how many versions have taken over.
        refusals: how often a version could not take over.
    """

    refused: str | None
    swaps: int
    refusals: int

    @property
    def scorer(self) -> Scorer:
        """The scorer of the version that serves."""

    def watch(self, seconds: float) -> None:
        """Look every so many seconds whether another version is to serve."""

    def close(self) -> None:
        """Look no more."""


class Fixed:
    """One version, which nothing takes the place of.

    Attributes:
        scorer: the scorer of the version.

    Examples:
        >>> Fixed(scorer=None).swaps
        0
    """

    refused: str | None = None
    swaps = 0
    refusals = 0

    def __init__(self, scorer: Scorer) -> None:
        """Take the version's scorer."""
        self.scorer = scorer

    def watch(self, seconds: float) -> None:
        """Do nothing, since there is nothing to look at."""

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def opened(folder: str | Path, allow: Collection[str] = ()) -> Iterator[Source]:
    """Open what a folder holds; it is no longer followed after the context.

    Args:
        folder: of a run, of a store, or of one version; or the address of one.
        allow: recommender classes that may be imported, see :func:`~asmg_pl.serving.scorer.load`.

    Raises:
        PackageError: if there is nothing that can serve.
    """
    if isinstance(folder, Path) and not folder.is_dir():
        raise PackageError(f"there is no folder {folder}: give a run, a store of versions, or one version")
    source: Source
    if version_at(folder) is not None:
        source = Fixed(load(folder, allow))
        source.scorer.prepare()
    else:
        source = Live(folder, allow)
    try:
        yield source
    finally:
        source.close()


def age(scorer: Scorer) -> float | None:
    """Seconds since a scorer's version was written; ``None`` if it does not say."""
    try:
        written = datetime.fromisoformat(scorer.package.manifest.provenance["written"])
    except (KeyError, TypeError, ValueError):
        return None
    return (datetime.now(UTC) - written.astimezone(UTC)).total_seconds()


def words(seconds: float | None) -> str:
    """An age in words.

    Examples:
        >>> [words(seconds) for seconds in (5.0, 90.0, 7200.0, 200_000.0, None)]
        ['5 seconds old', '2 minutes old', '2 hours old', '2 days old', 'of unknown age']
    """
    if seconds is None:
        return "of unknown age"
    units = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
    unit, size = next((each for each in units.items() if seconds >= each[1]), ("second", 1))
    count = round(max(seconds, 0.0) / size)
    return f"{count} {unit}{'s' * (count != 1)} old"
