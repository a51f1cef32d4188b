"""The application: which paths there are, and what each of them answers.

    POST /score, /recommend      for one user, or for several
    GET  /health, /metrics       for load balancers and Prometheus
    GET  /docs, /openapi.json    what can be asked
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST

from asmg_pl.serving.server import answering
from asmg_pl.serving.server.bodies import AnyRecommendRequest, AnyScoreRequest, Answer, Answers, Failure, Health
from asmg_pl.serving.server.errors import add_handlers
from asmg_pl.serving.server.limits import BodyLimit, Limits
from asmg_pl.serving.server.metrics import Measured, Metrics
from asmg_pl.serving.server.page import page
from asmg_pl.serving.server.reloading import Reloading
from asmg_pl.serving.server.source import Live, served
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
    live: Live,
    limits: Limits | None = None,
    watch: float = 0.0,
    threads: int = 1,
    waiting: int = 100,
) -> FastAPI:
    """The application that answers from a live scorer. Any ASGI server can run it.

    Args:
        live: has the scorer of the version that serves. The application closes it.
        limits: the largest request.
        watch: seconds between two looks at the store's pointer; 0 does not look.
        threads: requests that are scored at the same time.
        waiting: requests that may wait for a thread; further ones get status 503.
    """
    limits = limits or Limits()
    metrics = Metrics(lambda: served(live.scorer))
    workers, reloading = Workers(threads, waiting), Reloading(live, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(reloading.every(watch)) if watch else None
        yield
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await asyncio.to_thread(workers.close)

    app = FastAPI(
        title="asmg serve",
        description=_WHAT,
        version=version("asmg_pl"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        responses=_FAILURES,
    )
    app.add_middleware(BodyLimit, most=limits.body)
    app.add_middleware(Measured, metrics=metrics, paths=PATHS)
    add_handlers(app, PATHS)
    app.state.reloading, app.state.metrics = reloading, metrics

    @app.post("/score", description="The probability of a positive for each item of a user, or of several users.")
    async def score(request: AnyScoreRequest) -> Answer | Answers:
        answering.check(request, limits)
        return count(await workers.run(lambda: answering.score(live.scorer, request)))

    @app.post("/recommend", description="The best items of a user, or of several users, with their probabilities.")
    async def recommend(request: AnyRecommendRequest) -> Answer | Answers:
        answering.check(request, limits)
        return count(await workers.run(lambda: answering.recommend(live.scorer, request)))

    @app.get("/health", description="Which version answers, and its age.")
    async def health() -> Health:
        now = served(live.scorer)
        return Health(status="ok", version=now.version, age_seconds=now.age, failed_reload=reloading.failure)

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
