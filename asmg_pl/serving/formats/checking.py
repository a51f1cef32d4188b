"""A written program is compared with the scorer: on known ids and on unknown ones, one row at a time and many at once.

users drawn, and an unknown one ─┐
├─▶ the scorer ─────────────▶ probabilities ─┐
items drawn, and an unknown one ─┘                                            ├─ largest difference ≤ 1e-5
the same rows ──▶ the program, 1, 7 and all ─▶ probabilities ┘
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asmg_pl.errors import FormatError
from asmg_pl.serving.formats.programs import Rows
from asmg_pl.serving.package import Package
from asmg_pl.serving.scorer import Scorer

#: How far a probability may be from the scorer's.
TOLERANCE = 1e-5

#: Users and items that are drawn.
USERS, ITEMS = 40, 12

#: Rows that are run at once, before all others.
BATCHES = (1, 7)


@dataclass(frozen=True)
class Sample:
    """Rows of a package, and what the scorer gives them.

    Attributes:
        rows: as a program takes them, by name.
        probability: the scorer's, float32 [n].
    """

    rows: dict[str, np.ndarray]
    probability: np.ndarray

    @classmethod
    def of(cls, package: Package) -> Sample:
        """Draw rows of a package, always the same ones, and score them."""
        scorer = Scorer(package)
        draw = np.random.default_rng(0)
        sizes, places = package.sizes, package.manifest.history_size
        users = _drawn(draw, sizes.users, USERS)
        rows: dict[str, list[Any]] = {name: [] for name in ("user", "item", "history", "history_length", "context")}
        found = []
        for user in users:
            items = _drawn(draw, sizes.items, ITEMS)
            values = [int(_drawn(draw, count, 1)[draw.integers(2)]) for count in sizes.context]
            past = package.history.of(user)[:places] if user >= 0 else np.zeros(0, np.int32)
            rows["user"] += [user] * len(items)
            rows["item"] += items
            rows["history"] += [np.pad(past, (0, places - len(past)))] * len(items)
            rows["history_length"] += [len(past)] * len(items)
            rows["context"] += [values] * len(items)
            scores = scorer.score(
                _name(package, "user", user),
                [_name(package, "item", item) for item in items],
                context={
                    name: _name(package, f"context-{number}", value)
                    for number, (name, value) in enumerate(zip(package.manifest.context, values, strict=True))
                },
            )
            found.append(scores.scores)
        if not sizes.context:
            del rows["context"]
        return cls({name: np.asarray(values, np.int64) for name, values in rows.items()}, np.concatenate(found))

    def of_known_items(self) -> Sample:
        """The rows whose item is known."""
        known = self.rows["item"] >= 0
        return Sample({name: values[known] for name, values in self.rows.items()}, self.probability[known])

    def check(self, path: Path, probability: Callable[[Rows], np.ndarray], tolerance: float = TOLERANCE) -> float:
        """Compare a program with the scorer.

        Args:
            path: of the program, for the message.
            probability: runs it on rows and gives probabilities, float [B].
            tolerance: how far a probability may be from the scorer's.

        Returns:
            The largest difference.

        Raises:
            FormatError: if it is too large; the message says how large, and for which row.
        """
        count = len(self.probability)
        ends = np.minimum(np.cumsum([0, *BATCHES, count]), count)
        given = np.concatenate(
            [
                probability({name: values[begin:end] for name, values in self.rows.items()})
                for begin, end in pairwise(ends)
                if begin < end
            ]
        )
        differences = np.nan_to_num(np.abs(given - self.probability), nan=np.inf)
        worst = int(differences.argmax())
        if not differences[worst] <= tolerance:
            raise FormatError(
                f"{path.name} is not written: its probabilities differ from the scorer's by up to "
                f"{differences[worst]:.1e}, for the user in row {self.rows['user'][worst]} and the item in row "
                f"{self.rows['item'][worst]}, and {tolerance:g} is allowed: leave the format out, or use the versions "
                "of torch and onnxruntime in constraints.txt"
            )
        return float(differences[worst])


def _drawn(draw: np.random.Generator, count: int, most: int) -> list[int]:
    """Distinct ids, at most so many, and after them -1, which is unknown."""
    return [*(int(number) for number in draw.choice(count, min(count, most), replace=False)), -1]


def _name(package: Package, kind: str, number: int) -> Any:
    """The name of an id; of -1, one that the package does not have."""
    ids = package.ids(kind)
    return ids.name(number) if number >= 0 else unknown_name(ids)


def unknown_name(ids: Any) -> Any:
    """A name that nobody has."""
    number = -1
    while ids.find([str(number) if ids.strings else number])[0] >= 0:
        number -= 1
    return str(number) if ids.strings else number
