"""The HTTP server: answers requests from the version that a store's pointer names. It needs the extra ``serve``."""

from asmg_pl.serving.server.app import create_app
from asmg_pl.serving.server.limits import Limits
from asmg_pl.serving.server.listening import is_loopback, listen, serve, url_of
from asmg_pl.serving.server.source import Fixed, age, opened, words

__all__ = [
    "Fixed",
    "Limits",
    "age",
    "create_app",
    "is_loopback",
    "listen",
    "opened",
    "serve",
    "url_of",
    "words",
]
