"""What a published data set should have, so that results which cannot be compared are not compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from asmg_pl.errors import ConfigError


class Expected:
    """Numbers that a data set should have."""

    def __init__(self, source: str, counts: dict[str, int] | None, names: Sequence[str]) -> None:
        """Take the numbers.

        Args:
            source: whose they are, for messages.
            counts: the numbers expected, by name; nothing is expected by default.
            names: what can be counted.

        Raises:
            ConfigError: if something else is to be counted.
        """
        self.source = source
        self.counts = counts or {}
        for name in self.counts.keys() - set(names):
            raise ConfigError(f"source.expected: {name!r} is none of {', '.join(names)}")

    def check(self, **found: object) -> None:
        """Warn if what was found, by name, differs."""
        other = [f"{found[n]:,} {n} instead of {count:,}" for n, count in self.counts.items() if found[n] != count]
        if other:
            warnings.warn(
                f"{self.source}: the files have {', '.join(other)}; results on them cannot be compared with published "
                "ones",
                stacklevel=2,
            )
