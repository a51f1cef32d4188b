"""Compares a data set's counts with the published ones, since results on other rows cannot be compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from asmg_pl.errors import ConfigError


class Expected:
    """The counts that a published data set should have."""

    def __init__(self, source: str, counts: dict[str, int] | None, names: Sequence[str]) -> None:
        """Set the expected counts.

        Args:
            source: the name of the source, for messages.
            counts: the expected counts by name; by default nothing is expected.
            names: the names of all counts.

        Raises:
            ConfigError: if ``counts`` has another name.
        """
        self.source = source
        self.counts = counts or {}
        for name in self.counts.keys() - set(names):
            raise ConfigError(f"source.expected: {name!r} is none of {', '.join(names)}")

    def check(self, **found: object) -> None:
        """Warn if the counts that were found differ from the expected ones."""
        other = [f"{found[n]:,} {n} instead of {count:,}" for n, count in self.counts.items() if found[n] != count]
        if other:
            warnings.warn(
                f"{self.source}: the files have {', '.join(other)}; results on them cannot be compared with published "
                "ones",
                stacklevel=2,
            )
