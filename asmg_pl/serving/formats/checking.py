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

import numpy as np
import torch

from asmg_pl.errors import FormatError
from asmg_pl.serving.formats.drawing import Drawing
from asmg_pl.serving.formats.programs import Rows
from asmg_pl.serving.package import Package
from asmg_pl.serving.scorer import Scorer
from asmg_pl.serving.values import Values

#: How far a probability may be from the scorer's.
TOLERANCE = 1e-5

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
        scorer, drawing = Scorer(package), Drawing(package)
        drawn = [drawing.of(user) for user in drawing.users()]
        found = [scorer.score(each.user, each.items, context=each.given).scores for each in drawn]
        columns = {
            name: torch.cat([getattr(each.rows, name) for each in drawn])
            for name in ("user", "item", "history", "history_length")
        }
        features = Values.joined([Values(each.rows.context, each.rows.numbers, each.rows.lists) for each in drawn])
        columns |= {name: values for name, values in features._asdict().items() if values is not None}
        return cls({name: values.numpy() for name, values in columns.items()}, np.concatenate(found))

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
