"""What the server needs of a scorer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from asmg_pl.serving.server.metrics import ServedModel


class Unknown(Protocol):
    user: bool
    items: tuple[Any, ...]
    context: tuple[str, ...]
    history: tuple[Any, ...]
    instead: str


class Scores(Protocol):
    items: Sequence[Any]
    scores: Any
    unknown: Unknown


class Scorer(Protocol):
    version: str

    def score(self, user: Any, items: Any, history: Any = None, context: Any = None) -> Scores: ...
    def recommend(
        self, user: Any, k: int, candidates: Any = None, exclude_seen: bool = True, history: Any = None, context: Any = None
    ) -> Scores: ...
    def score_users(self, users: Any, items: Any, histories: Any = None, contexts: Any = None) -> list[Scores]: ...
    def recommend_users(
        self,
        users: Any,
        k: int,
        candidates: Any = None,
        exclude_seen: bool = True,
        histories: Any = None,
        contexts: Any = None,
    ) -> list[Scores]: ...


class Live(Protocol):
    scorer: Scorer

    def reload(self) -> bool: ...


def served(scorer: Scorer) -> ServedModel:
    return ServedModel(scorer.version, time.time() - scorer.written)
