"""The application: which paths there are, and what each of them answers.

    POST /score, /recommend      for one user, or for several
    GET  /health, /metrics       for load balancers and Prometheus
    GET  /docs, /openapi.json    what can be asked

Scoring runs in threads of its own, so the other paths are answered at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST

from asmg_pl.serving.server import answering
from asmg_pl.serving.server.bodies import Answer, Answers, AnyRecommendRequest, AnyScoreRequest, Failure, Health
from asmg_pl.serving.server.errors import add_handlers
from asmg_pl.serving.server.limits import BodyLimit, Limits
from asmg_pl.serving.server.metrics import Measured, Metrics
from asmg_pl.serving.server.page import page
from asmg_pl.serving.server.source import Source, age
from asmg_pl.serving.server.workers import Workers

#: The paths, each with its method.
PATHS = {
    "/score": "POST",
    "/recommend": "POST",
    "/health": "GET",
    "/metrics": "GET",
    "/docs": "GET",
    "/openapi.json": "GET",
}

_WHAT = "Scores and recommendations of a model that is kept fresh along a stream."
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": text}
    for status, text in {
        400: "The body is no JSON.",
        413: "The request is too large.",
        422: "A field is missing, unknown or of another type.",
        500: "A fault of the server or of the model.",
        503: "Too many requests wait.",
    }.items()
}


def create_app(
    source: Source,
    limits: Limits | None = None,
    watch: float = 0.0,
    threads: int = 1,
    waiting: int = 100,
) -> FastAPI:
    """The application that answers from a source's scorer. Any ASGI server can run it.

    Args:
        source: has the scorer of the version that serves.
        limits: the largest request.
        watch: seconds between two looks whether another version is to serve; 0 does not look.
        threads: requests that are scored at the same time.
        waiting: requests that may wait for a thread; further ones get status 503.
    """
    limits = limits or Limits()
    metrics, workers = Metrics(source), Workers(threads, waiting)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if watch:
            source.watch(watch)
        yield
        await asyncio.to_thread(workers.close)

    app = FastAPI(
        title="asmg serve",
        description=_WHAT,
        version=version("asmg_pl"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        responses=_FAILURES,
    )
    app.add_middleware(BodyLimit, most=limits.body)
    app.add_middleware(Measured, metrics=metrics, paths=PATHS)
    add_handlers(app, PATHS)

    @app.post("/score", description="The probability of a positive for each item of a user, or of several users.")
    async def score(request: AnyScoreRequest) -> Answer | Answers:
        answering.check(request, limits)
        return count(await workers.run(lambda: answering.score(source.scorer, request)))

    @app.post("/recommend", description="The best items of a user, or of several users, with their probabilities.")
    async def recommend(request: AnyRecommendRequest) -> Answer | Answers:
        answering.check(request, limits)
        return count(await workers.run(lambda: answering.recommend(source.scorer, request)))

    @app.get("/health", description="Which version answers, and its age.")
    async def health() -> Health:
        scorer = source.scorer
        return Health(status="ok", version=scorer.version, age_seconds=age(scorer), failed_reload=source.refused)

    @app.get("/metrics", description="All counters, in the text format of Prometheus.")
    async def shown_metrics() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    def count(answer: Answer | Answers) -> Answer | Answers:
        each = answer.answers if isinstance(answer, Answers) else [answer]
        metrics.users.inc(len(each))
        metrics.unknown_users.inc(sum(one.unknown.user for one in each))
        return answer

    return app
