"""A server that answers what the real client of Weights & Biases asks when it reads runs, and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VIEWER = {"id": "1", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}


@dataclass
class Served:
    """A run on the server."""

    name: str
    group: str
    method: str
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]

    def node(self) -> dict[str, Any]:
        """The run as GraphQL tells of it."""
        keys = {"lastStep": len(self.history) - 1, "sets": [], "keys": {}}
        now = "2020-01-01T00:00:00"
        return {
            **{"id": self.name, "name": self.name, "displayName": self.name, "group": self.group},
            **{"jobType": self.method, "state": "finished", "tags": [], "user": {"name": "me", "username": "me"}},
            **{"sweepName": None, "commit": None, "readOnly": False, "createdAt": now, "heartbeatAt": now},
            **{"description": "", "notes": "", "projectId": "1", "historyLineCount": len(self.history)},
            **{"historyKeys": keys, "summaryMetrics": "{}", "systemMetrics": "{}"},
            "config": json.dumps({name: {"value": value} for name, value in self.config.items()}),
        }

    def page(self, first: int, end: int) -> list[str]:
        """Rows of the history as text, NaN as text within."""
        rows = [{"_step": step, **row} for step, row in enumerate(self.history)][first:end]
        return [json.dumps({k: "NaN" if v != v else v for k, v in row.items()}) for row in rows]


@contextmanager
def serving(runs: Sequence[Served]) -> Iterator[dict[str, str]]:
    """Serve some runs; the environment in which the client asks this server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            graphql = self.path == "/graphql"
            answer = json.dumps({"data": _answer(runs, json.loads(body))} if graphql else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "x" * 40}
    finally:
        server.shutdown()
        server.server_close()


def _answer(runs: Sequence[Served], asked: Mapping[str, Any]) -> dict[str, Any]:
    query, told = asked["query"], asked.get("variables") or {}
    if "viewer" in query:
        return {"viewer": VIEWER}
    name = told.get("run") or told.get("runName") or told.get("name")
    if name is None:
        group = json.loads(told.get("filters") or "{}").get("group")
        nodes = [run.node() for run in runs if group in (None, run.group)]
        edges = [{"node": node, "cursor": node["name"]} for node in nodes]
        page = {"endCursor": None, "hasNextPage": False}
        return {"project": {"internalId": "1", "runCount": len(edges), "runs": {"edges": edges, "pageInfo": page}}}
    (run,) = (run for run in runs if run.name == name)
    if "parquetHistory" in query:
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}
    if "history(" in query:
        return {"project": {"run": {"history": run.page(told["minStep"], told["maxStep"])}}}
    return {"project": {"internalId": "1", "run": run.node()}}
