"""How large a request may be: bytes, ids in a list, users, and items that are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asmg_pl.errors import ConfigError
from asmg_pl.serving.server.errors import failure

#: Seconds in which the whole body of a request must have arrived.
PATIENCE = 30.0

#: Seconds for which the rest of a body that is too large is read and dropped.
LINGER = 2.0

#: After a body that was not read to its end, the connection is of no use.
CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Limits:
    """The largest request that the server takes.

    Attributes:
        body: bytes of a request's body.
        candidates: items of one user, to score or to choose from; and items of a given history.
        k: items that a user gets.
        users: users of one request.

    Examples:
        >>> Limits(users=2).check_users([7, 8, 9])
        Traceback (most recent call last):
        starlette.exceptions.HTTPException: 413: users: 3 are more than the 2 of one request: send several requests,
        or start the server with a higher --max-users
    """

    body: int = 2**20
    candidates: int = 10_000
    k: int = 1_000
    users: int = 100

    def __post_init__(self) -> None:
        """Check that each limit is at least 1.

        Raises:
            ConfigError: if one is not.
        """
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"--max-{name} is {value}: give a whole number from 1 on")

    def check_users(self, users: Sized) -> None:
        """Refuse more users than one request may have.

        Raises:
            HTTPException: with status 413.
        """
        self._refuse(len(users), self.users, "users", "send several requests", "users")

    def check_items(self, items: Sized | None, key: str) -> None:
        """Refuse more items than a user may have.

        Args:
            items: ids, or ``None`` if there are none.
            key: of the request, for the message.

        Raises:
            HTTPException: with status 413.
        """
        if items is not None:
            self._refuse(len(items), self.candidates, key, "send several requests", "candidates")

    def check_each(self, lists: Sequence[Sized | None] | None, users: Sized, key: str) -> None:
        """Refuse another number of lists than users, and more items in one of them than a user may have.

        Raises:
            HTTPException: with status 413 or 422.
        """
        if lists is None:
            return
        if len(lists) != len(users):
            raise HTTPException(422, f"{key}: give one entry for each of the {len(users)} users, not {len(lists)}")
        for place, items in enumerate(lists):
            self.check_items(items, f"{key}[{place}]")

    def check_k(self, k: int) -> None:
        """Refuse to give more items than a user may get.

        Raises:
            HTTPException: with status 413.
        """
        self._refuse(k, self.k, "k", "ask for fewer", "k")

    def _refuse(self, count: int, most: int, key: str, mend: str, option: str) -> None:
        if count > most:
            verb = "is" if key == "k" else "are"
            raise HTTPException(
                413,
                f"{key}: {count:,} {verb} more than the {most:,} of one request: {mend}, or start the server with a "
                f"higher --max-{option}",
            )


class BodyLimit:
    """ASGI middleware that refuses a body of too many bytes, or one that does not arrive.

    Bytes are counted as they arrive, so a body without a length, or with a wrong one, is bounded too.

    Examples:
        >>> BodyLimit(app=None, most=10).most
        10
    """

    def __init__(self, app: ASGIApp, most: int, patience: float = PATIENCE) -> None:
        """Wrap an application.

        Args:
            app: the application.
            most: bytes that a body may have.
            patience: seconds in which the whole body must have arrived.
        """
        self.app = app
        self.most = most
        self.patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive, send, self)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.most:
            body.refused = True
            await failure(413, self.words(int(declared)), CLOSE)(scope, body.receive, body.send)
        else:
            await self.app(scope, body.receive, body.send)

    def words(self, count: int) -> str:
        """The message on a body that has so many bytes, or more."""
        return (
            f"the body has at least {count:,} bytes, and {self.most:,} are the most: send several requests, or start "
            "the server with a higher --max-body"
        )


class _Body:
    """The way of a request's body into the application, and of the answer back."""

    def __init__(self, receive: Receive, send: Send, limit: BodyLimit) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._until = asyncio.get_running_loop().time() + limit.patience
        self._bytes, self._complete = 0, False
        self.refused = False

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            HTTPException: with status 413 or 408, if there is too much of it or it does not arrive.
        """
        if self._complete:
            return await self._receive()  # which waits until the client has gone
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            patience = self._limit.patience
            raise HTTPException(408, f"the body did not arrive within {patience:g} s: send it again", CLOSE) from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._bytes > self._limit.most:
                self.refused = True
                raise HTTPException(413, self._limit.words(self._bytes), CLOSE)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer. After a refusal the end waits until the client has read it.

        A connection that is closed while its client is still sending is reset, and the client would lose the answer.
        """
        if self.refused and message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    while not self._complete:
                        rest = await self._receive()
                        self._complete = rest["type"] == "http.disconnect" or not rest.get("more_body", False)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)
