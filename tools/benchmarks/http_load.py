"""Sends HTTP requests to a server on this machine: as many as it can do, or so many a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Sent:
    """A request and its answer.

    Attributes:
        number: which of the requests it was.
        began: when it was to be sent, in seconds after the beginning.
        seconds: from then to the end of the answer; of a request that no connection was free for, the wait counts.
        status: of the answer; 0 if there was none.
        body: of the answer.
    """

    number: int
    began: float
    seconds: float
    status: int
    body: bytes


def request(path: str, body: bytes) -> bytes:
    """The bytes of a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


async def send(
    port: int,
    requests: Sequence[bytes],
    seconds: float,
    connections: int,
    rate: float | None = None,
    over: asyncio.Event | None = None,
) -> list[Sent]:
    """Send requests, the given ones again and again, on connections that stay open.

    Args:
        port: of the server, on this machine.
        requests: as :func:`request` makes them.
        seconds: for how long, at least.
        connections: how many are open; one has one request at a time.
        rate: requests a second, evenly spaced, whether the server keeps up or not; by default each connection sends
            its next request after an answer.
        over: requests are sent until this is set, also after these seconds.
    """
    numbers, began, sent = count(), time.perf_counter(), []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            number, start = next(numbers), time.perf_counter() - began
            if rate is not None:
                due = number / rate
                if due > start:
                    await asyncio.sleep(due - start)
                    due = time.perf_counter() - began  # the clock of asyncio is coarser than the server is fast
                start = due
            if start >= seconds and (over is None or over.is_set()):
                break
            try:
                writer.write(requests[number % len(requests)])
                status, body = await _answer(reader)
            except (OSError, asyncio.IncompleteReadError):
                status, body = 0, b""
            sent.append(Sent(number % len(requests), start, time.perf_counter() - began - start, status, body))
            if not status:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return sent


async def get(port: int, path: str) -> bytes:
    """The body of the answer to a GET request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    _, body = await _answer(reader)
    writer.close()
    return body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return int(head[9:12]), await reader.readexactly(int(fields[b"content-length"]))
