"""For the API reference: Sphinx roles in docstrings become code, as Markdown writes it."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`(~?)([\w.]+)`")


class Roles(griffe.Extension):
    """Turns ``:class:`~a.b.C``` into ```C```."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring when it has been read."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(_code, obj.docstring.value)


def _code(match: re.Match[str]) -> str:
    short, path = match.groups()
    return f"`{path.rpartition('.')[2] if short else path}`"
