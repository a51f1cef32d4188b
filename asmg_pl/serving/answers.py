"""Answers to requests: scored items, and what of the request was not known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asmg_pl.serving.ids import Name


@dataclass(frozen=True)
class Unknown:
    """What of a request the package does not know. It is true if anything is unknown.

    With :class:`~asmg_pl.data.Lifetimes`, users and items that are not admitted yet, or expired, are unknown too: the
    model has the shared row for them.

    Attributes:
        user: whether the user is unknown.
        items: the unknown items among those asked for or recommended, each once, in their order.
        context: the names of the context features whose value is unknown or was not given.
        history: the unknown items of the given history, each once, in their order.

    Examples:
        >>> bool(Unknown()), bool(Unknown(user=True))
        (False, True)
        >>> Unknown(items=("x", 7)).words()
        "unknown items, scored as new ones: 'x', 7"
    """

    user: bool = False
    items: tuple[Name, ...] = ()
    context: tuple[str, ...] = ()
    history: tuple[Name, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is unknown."""
        return bool(self.user or self.items or self.context or self.history)

    def words(self) -> str:
        """What is unknown, and what was answered instead; empty if all is known."""
        said = ["the user is unknown, and scored as a new one"] if self.user else []
        for names, what in (
            (self.items, "unknown items, scored as new ones"),
            (self.context, "context features without a known value, scored with a new one"),
            (self.history, "unknown items of the history, left out"),
        ):
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                said.append(f"{what}: {', '.join(map(repr, names[:5]))}{more}")
        return "; ".join(said)


@dataclass(frozen=True, eq=False)
class Scores:
    """Scored items of one user.

    Attributes:
        items: the items, by their names.
        scores: the probability of each, float32 [n].
        logits: the logit of each, float32 [n]; ``scores`` are their sigmoid.
        unknown: what of the request was not known.
        by: ``"score"``, or ``"popularity"`` where a recommendation names the most popular items first.
        version: the name of the package that answered.

    Examples:
        >>> numbers = np.float32([0.25]), np.float32([-1.0986])
        >>> Scores(["a"], *numbers, Unknown(), "score", "after-period-000031")
        Scores([('a', 0.25)], by='score', version='after-period-000031')
    """

    items: list[Name]
    scores: np.ndarray
    logits: np.ndarray
    unknown: Unknown
    by: str
    version: str

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        """The items with their scores, and what was not known."""
        shown = [(item, round(float(score), 4)) for item, score in zip(self.items, self.scores, strict=True)]
        unknown = f", unknown={self.unknown.words()!r}" if self.unknown else ""
        return f"Scores({shown}, by={self.by!r}, version={self.version!r}{unknown})"
