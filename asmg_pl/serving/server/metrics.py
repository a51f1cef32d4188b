"""What the server counts, in the format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asmg_pl.serving.server.source import Source, age

#: Upper ends of the latency histogram's buckets, in seconds.
BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

#: The label of all paths that the server does not have, so that their number cannot grow.
OTHER = "other"


class Metrics:
    """Counters of one server.

    Examples:
        >>> from asmg_pl.serving.server import Fixed
        >>> metrics = Metrics(Fixed(scorer=None))
        >>> metrics.users.inc(3)
        >>> metrics.users.collect()[0].samples[0].value
        3.0
    """

    def __init__(self, source: Source) -> None:
        """Create the counters.

        Args:
            source: tells which version answers, and how often another one took over.
        """
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("asmg_requests", "Requests answered.", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "asmg_request_seconds",
            "Seconds from a request's first line to the end of its answer.",
            ["path"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge("asmg_requests_in_flight", "Requests that are being answered.", registry=registry)
        self.users = Counter("asmg_users", "Users answered.", registry=registry)
        self.unknown_users = Counter("asmg_unknown_users", "Users answered that are unknown.", registry=registry)
        registry.register(_Served(source))
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Served:
    """Says at each scrape which version answers, so that no earlier version stays in the metrics."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        source, scorer = self._source, self._source.scorer
        yield InfoMetricFamily("asmg_model", "The version that answers.", {"version": scorer.version})
        if (seconds := age(scorer)) is not None:
            yield GaugeMetricFamily("asmg_model_age_seconds", "Seconds since this version was written.", seconds)
        yield CounterMetricFamily("asmg_swaps", "Versions that took over since the start.", source.swaps)
        yield CounterMetricFamily(
            "asmg_failed_reloads", "Versions that could not be loaded; the one before went on serving.", source.refusals
        )


class Measured:
    """ASGI middleware that counts requests by path and status, and measures their seconds.

    Examples:
        >>> Measured(app=None, metrics=None, paths=("/score",)).paths
        ('/score',)
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Iterable[str]) -> None:
        """Wrap an application.

        Args:
            app: the application.
            metrics: what is counted.
            paths: of the application; all others count as one.
        """
        self.app = app
        self.metrics = metrics
        self.paths = tuple(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, began = scope["path"] if scope["path"] in self.paths else OTHER, time.perf_counter()
        status = 500  # of an exception that passes through, see Starlette's outermost middleware

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, noted)
            finally:
                self.metrics.requests.labels(path, str(status)).inc()
                self.metrics.seconds.labels(path).observe(time.perf_counter() - began)
