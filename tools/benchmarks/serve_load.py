"""Requests at half of what a server can do, while versions are published and gone back to."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from asmg_pl.data import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Store, load, write
from asmg_pl.serving.drawn import drawn_contents
from benchmarks.http_load import Sent, get, request, send

#: A path and the body that is sent to it.
Asked = tuple[str, Any]

#: The items of an answer and their scores, float32 [n].
Expected = tuple[list[Any], np.ndarray]

#: Changes of the version that serves: ten take over, and two are gone back from.
PUBLISHED, BACK = 10, 2

#: The name of id 0 in drawn packages.
FIRST = 1000

#: The largest difference between two computations of one score.
CLOSE = 1e-6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the load is."""
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--history", type=int, default=30, help="items of a history")
    parser.add_argument("--candidates", type=int, default=500, help="items of a request to /score")
    parser.add_argument("--k", type=int, default=10, help="items of an answer of /recommend")
    parser.add_argument("--recommend-every", type=int, default=5, help="one of so many requests is to /recommend")
    parser.add_argument("--connections", type=int, default=8, help="connections that are open")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long requests are sent")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name.

    Raises:
        SystemExit: if a request failed, an answer is no version's, or not every version has answered.
    """
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "serving")
        versions = [store.add(number, partial(write_version, given, number)) for number in range(1 + PUBLISHED)]
        store.publish(versions[0])
        asked = requests(given)
        with served(store.folder) as (url, _):
            port = int(url.rpartition(":")[2])
            return under_load(given, store, versions, asked, port)


def under_load(
    given: argparse.Namespace, store: Store, versions: Sequence[str], asked: Sequence[Asked], port: int
) -> dict[str, float]:
    """Send requests to a server that follows a store, change versions meanwhile, and check each answer."""
    expected = {version: answers(store.folder / version, asked) for version in versions}
    raw = [request(path, json.dumps(body).encode()) for path, body in asked]

    async def loaded() -> list[Sent]:
        over = asyncio.Event()
        change = changing(store, versions, port, given.seconds, over, other)
        sending = send(port, raw, given.seconds, 4 * given.connections, capacity / 2, over)
        sent, _ = await asyncio.gather(sending, change)
        return sent

    asyncio.run(send(port, raw, min(1.0, given.seconds / 10), given.connections))  # warms up
    capacity_seconds = min(5.0, given.seconds / 4)
    most = asyncio.run(send(port, raw, capacity_seconds, given.connections))
    capacity = len(most) / capacity_seconds
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        other.submit(store.current).result()  # it has started, and imported what it needs
        sent = asyncio.run(loaded())
    wrong = compared([*most, *sent], asked, expected)
    if any(wrong):
        sys.exit(f"{wrong.failed} failed, {wrong.mixed} of no version, never answered: {wrong.missing}")
    seconds = {
        path: np.array([1e3 * each.seconds for each in sent if asked[each.number][0] == path])
        for path in ("/score", "/recommend")
    }
    figures = {
        "requests a second at most": capacity,
        "requests a second sent": len(sent) / max(each.began for each in sent),
        "requests": float(len(sent)),
        "failed": float(wrong.failed),
        "versions that took over": float(PUBLISHED),
        "versions gone back to": float(BACK),
        "answers of no version, or of two": float(wrong.mixed),
    }
    for path, found in seconds.items():
        figures |= {f"{path} p{at}: ms": float(np.percentile(found, at)) for at in (50, 99, 100)}
    return figures


async def changing(
    store: Store, versions: Sequence[str], port: int, seconds: float, over: asyncio.Event, other: Executor
) -> None:
    """Publish versions and go back from some, evenly over these seconds, each when the one before has taken over.

    Another process does it, as in production. In this one it would keep the sender waiting.
    """
    steps: list[Callable[[], object]] = [partial(store.publish, version) for version in versions[1:]]
    steps.insert(len(steps) // 2, store.rollback)
    steps.append(store.rollback)
    began, loop = time.perf_counter(), asyncio.get_running_loop()
    for number, step in enumerate(steps, 1):
        await asyncio.sleep(max(0.0, began + seconds * number / (len(steps) + 1) - time.perf_counter()))
        await loop.run_in_executor(other, step)
        while json.loads(await get(port, "/health"))["version"] != store.current():
            await asyncio.sleep(0.1)  # seldom, since these requests are answered beside the counted ones
        await asyncio.sleep(0.1)  # in which the version answers
    over.set()


class Wrong(NamedTuple):
    """What was wrong with answers.

    Attributes:
        failed: requests without an answer, or with another status than 200.
        mixed: answers that are not wholly those of the version which they name.
        missing: versions that have not answered.
    """

    failed: int
    mixed: int
    missing: list[str]


def compared(sent: Sequence[Sent], asked: Sequence[Asked], expected: Mapping[str, Sequence[Expected]]) -> Wrong:
    """Compare each answer with that of the version which it names.

    Args:
        sent: requests and their answers.
        asked: path and body of each request, by number.
        expected: for each version, its items and scores of each request, by number.
    """
    failed, mixed, seen = 0, 0, set()
    for each in sent:
        if each.status != 200:
            failed += 1
            continue
        found = json.loads(each.body)
        seen.add(found["version"])
        items, scores = expected.get(found["version"], [([], np.zeros(0))] * len(asked))[each.number]
        same = found["items"] == items and np.allclose(found["scores"], scores, rtol=0, atol=CLOSE)
        mixed += not same
    return Wrong(failed, mixed, sorted(expected.keys() - seen))


def requests(given: argparse.Namespace, count: int = 50) -> list[Asked]:
    """Paths and bodies: most score candidates for a user, some want the best of all items."""
    draw = np.random.default_rng(1)
    asked: list[Asked] = []
    for number in range(count):
        user = FIRST + int(draw.integers(given.users))
        if number % given.recommend_every == 0:
            asked.append(("/recommend", {"user": user, "k": given.k}))
        else:
            items = FIRST + draw.choice(given.items, given.candidates, replace=False)
            asked.append(("/score", {"user": user, "items": items.tolist()}))
    return asked


def answers(version: Path, asked: Sequence[Asked]) -> list[Expected]:
    """What a version answers to each request, without a server."""
    scorer = load(version)
    calls = {"/score": scorer.score, "/recommend": scorer.recommend}
    found = [calls[path](**body) for path, body in asked]  # type: ignore[operator]
    return [(list(each.items), np.asarray(each.scores)) for each in found]


def write_version(given: argparse.Namespace, number: int, folder: Path) -> None:
    """Write a package whose scores are those of no other number."""
    write(drawn_contents(EmbeddingMLP, Sizes(given.users, given.items), given.history, False, seed=number), folder)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run ``asmg serve`` in a process of its own; gives its URL, once it answers, and the process."""
    command = [sys.executable, "-m", "asmg_pl", "serve", str(folder), "--port", "0", "--watch", "0.5", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            sys.exit(f"the server did not start: {' '.join(command)}")
        yield found[0], process
    finally:
        process.terminate()
        process.wait()
