"""The ids of names that are asked for again and again."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from asmg_pl.serving.ids import Ids, Name


class Remembered:
    """Remembers ids by name. Requests ask for popular items again and again, and to hash their names takes longest.

    Examples:
        >>> from types import SimpleNamespace
        >>> slow = SimpleNamespace(find=lambda names: np.array([len(name) if name else -1 for name in names]))
        >>> Remembered(slow).find(["abc", "", "abc"]).tolist()
        [3, -1, 3]
    """

    def __init__(self, ids: Ids, most: int = 2**17) -> None:
        """Begin without any.

        Args:
            ids: where other names are found.
            most: the most names that are remembered.
        """
        self._ids, self._most = ids, most
        self._numbers: dict[Name, int] = {}

    @property
    def room(self) -> int:
        """How many names :meth:`keep` should be given at most; as many more may come by requests."""
        return self._most // 2

    def keep(self, numbers: list[int]) -> None:
        """Remember the names of ids before anybody asks for them.

        Args:
            numbers: of the ids, none of them twice.
        """
        self._numbers = dict(zip(self._ids.names(numbers), numbers, strict=True))

    def find(self, names: list[Name]) -> np.ndarray:
        """See :meth:`~asmg_pl.serving.ids.Ids.find`."""
        found = list(map(self._numbers.get, names))
        if None in found:
            missing = [place for place, number in enumerate(found) if number is None]
            asked = [names[place] for place in missing]
            for place, name, number in zip(missing, asked, self._find(asked).tolist(), strict=True):
                found[place] = number
                if number >= 0:
                    self._numbers[name] = number
            if len(self._numbers) > self._most:
                self._numbers = {}
        return np.array(found, np.int64)

    def _find(self, names: list[Name]) -> np.ndarray:
        if set(map(type, names)) == {int}:
            with suppress(OverflowError):  # of a number that is no known name
                return self._ids.find(np.array(names, np.int64))
        return self._ids.find(names)
