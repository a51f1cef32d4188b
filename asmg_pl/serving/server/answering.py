"""Asks the scorer what a request wants to know. A whole answer comes from one scorer, so from one version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from asmg_pl.serving.answers import Scores
from asmg_pl.serving.scorer import Scorer
from asmg_pl.serving.server.bodies import (
    Answer,
    Answers,
    RecommendRequest,
    RecommendUsersRequest,
    ScoreRequest,
    ScoreUsersRequest,
    UnknownIds,
    UserAnswer,
)
from asmg_pl.serving.server.errors import ModelFault
from asmg_pl.serving.server.limits import Limits


def check(request: ScoreRequest | ScoreUsersRequest | RecommendRequest | RecommendUsersRequest, limits: Limits) -> None:
    """Refuse a request that is larger than the limits, or whose lists do not fit each other.

    Raises:
        HTTPException: with status 413 or 422.
    """
    if isinstance(request, ScoreUsersRequest | RecommendUsersRequest):
        limits.check_users(request.users)
        limits.check_each(request.history, request.users, "history")
        limits.check_each(request.context, request.users, "context")
    else:
        limits.check_items(request.history, "history")
    if isinstance(request, ScoreUsersRequest):
        limits.check_each(request.items, request.users, "items")
    elif isinstance(request, ScoreRequest):
        limits.check_items(request.items, "items")
    elif isinstance(request, RecommendUsersRequest):
        limits.check_each(request.candidates, request.users, "candidates")
    else:
        limits.check_items(request.candidates, "candidates")
    if isinstance(request, RecommendRequest | RecommendUsersRequest):
        limits.check_k(request.k)


def score(scorer: Scorer, request: ScoreRequest | ScoreUsersRequest) -> Answer | Answers:
    """The scores that a request asks for."""
    if isinstance(request, ScoreRequest):
        found = scorer.score(request.user, request.items, request.history, request.context)
        return Answer(version=scorer.version, **_answer(request.user, found))
    several = scorer.score_users(request.users, request.items, request.history, request.context)
    return _several(scorer.version, request.users, several)


def recommend(scorer: Scorer, request: RecommendRequest | RecommendUsersRequest) -> Answer | Answers:
    """The best items that a request asks for."""
    if isinstance(request, RecommendRequest):
        found = scorer.recommend(
            request.user, request.k, request.candidates, request.exclude_seen, request.history, request.context
        )
        return Answer(version=scorer.version, **_answer(request.user, found))
    several = scorer.recommend_users(
        request.users, request.k, request.candidates, request.exclude_seen, request.history, request.context
    )
    return _several(scorer.version, request.users, several)


def _several(version: str, users: Sequence[Any], found: Sequence[Scores]) -> Answers:
    answers = [UserAnswer(**_answer(user, scores)) for user, scores in zip(users, found, strict=True)]
    return Answers(version=version, answers=answers)


def _answer(user: Any, found: Scores) -> dict[str, Any]:
    scores = np.asarray(found.scores)
    if not np.isfinite(scores).all():
        place = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ModelFault(f"the score of item {found.items[place]!r:.80} is not a number: go back (asmg rollback)")
    unknown = found.unknown
    said = UnknownIds(
        user=unknown.user,
        items=list(unknown.items),
        context=list(unknown.context),
        history=list(unknown.history),
        instead=unknown.words(),
    )
    return {"user": user, "items": list(found.items), "scores": scores.tolist(), "by": found.by, "unknown": said}
