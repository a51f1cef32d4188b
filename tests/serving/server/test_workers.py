"""Requests wait for a thread, but not too many of them."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.exceptions import HTTPException

from asmg_pl.serving.server.workers import Workers


def test_a_place_is_free_again_after_a_request_that_failed() -> None:
    workers = Workers(threads=1, waiting=0)

    async def ask() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await workers.run(lambda: 1 // 0)
        assert await workers.run(lambda: 5) == 5

    asyncio.run(ask())
    workers.close()


def test_as_many_are_scored_at_once_as_there_are_threads() -> None:
    workers, together = Workers(threads=2, waiting=0), threading.Barrier(2)

    async def ask() -> list[int]:
        return await asyncio.gather(*(workers.run(together.wait) for _ in range(2)))

    assert sorted(asyncio.run(ask())) == [0, 1]
    workers.close()


def test_more_than_may_wait_are_refused() -> None:
    workers, go = Workers(threads=1, waiting=2), threading.Event()

    async def ask() -> None:
        waiting = [asyncio.create_task(workers.run(go.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await workers.run(go.wait)
        assert refused.value.status_code == 503
        go.set()
        assert await asyncio.gather(*waiting) == [True] * 3

    asyncio.run(ask())
    workers.close()
