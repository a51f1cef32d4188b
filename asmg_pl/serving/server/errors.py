"""The one shape of all errors: ``{"error": "what is wrong, and the mend"}``, with a status that tells the kind.

    400 no JSON           404 no such path      405 another method     408 too slow     413 too large
    415 not announced as JSON     422 other fields, or values that cannot be     500 a fault     503 too many requests

The words of a message tell the user which key is wrong and what to give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from asmg_pl.errors import UserError

#: What an id may be, as errors of pydantic name it.
ID_KINDS = ("int", "constrained-str")

#: What a feature's value is taken for, in pydantic's names for the place of an error.
VALUE_KINDS = ("id", "number", "list")

#: Errors of one request that are named; the others are counted.
SHOWN = 3


class ModelFault(Exception):
    """The model has given an answer that cannot be sent.

    Examples:
        >>> print(ModelFault("the score of item 5 is not a number"))
        the score of item 5 is not a number
    """


def failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer that says what is wrong.

    Examples:
        >>> failure(404, "there is no /scores").body
        b'{"error":"there is no /scores"}'
    """
    return JSONResponse({"error": message}, status, headers=dict(headers or {}))


def add_handlers(app: FastAPI, paths: Mapping[str, str]) -> None:
    """Have an application answer all errors in the one shape.

    Args:
        app: the application.
        paths: its paths, with the method of each.
    """

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        path, message = request.url.path, str(error.detail)
        if error.status_code == 404:
            message = f"there is no {path:.200}: there are {', '.join(paths)}"
        elif error.status_code == 405:
            message = f"{path} is asked with {paths.get(path, 'GET')}, not {request.method}"
        elif error.status_code == 400:
            message = "the body cannot be read as JSON: send a JSON object in UTF-8"
        return failure(error.status_code, message, error.headers)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(request, error)

    async def unusable(request: Request, error: Exception) -> JSONResponse:
        return failure(422, str(error))

    async def fault(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, ModelFault):
            return failure(500, str(error))
        return failure(500, "a fault of the server, whose log has the reason: try again, or go back (asmg rollback)")

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(UserError, unusable)
    app.add_exception_handler(Exception, fault)


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """What is wrong with a body: no JSON (400), not announced as JSON (415), or other fields (422)."""
    found = error.errors()
    first = found[0]
    if first["type"] == "json_invalid":
        reason, place = first.get("ctx", {}).get("error", ""), first["loc"][-1]
        return failure(400, f"the body is no JSON ({reason}, at character {place}): send a JSON object")
    if first["type"] == "missing" and first["loc"] == ("body",):
        return failure(400, "there is no body: send a JSON object")
    kind = request.headers.get("content-type", "")
    if isinstance(error.body, bytes):
        return failure(415, f"the body has the type {kind[:80]!r}: send the header Content-Type: application/json")
    lines = list(dict.fromkeys(_words(each) for each in found))
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return failure(422, "; ".join(lines[:SHOWN] + more))


def _words(error: Mapping[str, Any]) -> str:
    """One error of a body in words, with the key that it is about."""
    loc: Sequence[str | int] = error["loc"][1:]  # without "body"
    if loc and loc[0] in ("user", "users"):  # which kind of request it was taken for
        loc = loc[1:]
    if loc[:1] == ("context",):
        loc = [step for place, step in enumerate(loc) if step not in VALUE_KINDS or loc[place - 1] == "context"]
    steps = [step for step in loc if step not in ID_KINDS]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")[:120]
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return f"{key} is missing"
    if kind == "extra_forbidden":
        hint = ": give user or users, not both" if key in ("user", "users") else ""
        return f"there is no key {key}{hint}"
    if loc and loc[-1] in ID_KINDS:
        return f"{key} is {_shown(given)}: give an id, an integer or a string of at most 1,000 characters"
    if kind in ("model_attributes_type", "dict_type", "model_type"):
        return f"{key or 'the body'} is {_shown(given)}: give a JSON object"
    if kind == "list_type":
        return f"{key} is {_shown(given)}: give a list"
    return f"{key} is {_shown(given)}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _shown(value: Any) -> str:
    """A value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
