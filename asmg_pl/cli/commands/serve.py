"""``asmg serve``: answer requests over HTTP from the version of a model that a store's pointer names."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from asmg_pl.cli.parser import positive
from asmg_pl.cli.study import StudyParser
from asmg_pl.errors import ConfigError
from asmg_pl.storage.address import place
from asmg_pl.system.screen import say

log = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> None:
    """Serve as the command line says, until a signal stops the program.

    Raises:
        UserError: if there is nothing to serve, or the port cannot be opened.
    """
    given = parser().parse_args(list(arguments))
    try:
        from asmg_pl.serving.server import Limits, age, create_app, is_loopback, listen, opened, serve, url_of, words
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("asmg_pl"):
            raise
        raise ConfigError(f"asmg serve needs the package {error.name}: pip install 'asmg_pl[serve]'") from None

    import torch

    torch.set_num_threads(1)  # requests are small; those of several threads share the processors
    limits = Limits(given.max_body, given.max_candidates, given.max_k, given.max_users)
    with opened(given.folder, given.allow) as source, listen(given.host, given.port) as listening:
        app = create_app(source, limits, given.watch, given.threads, given.max_waiting)
        url = url_of(listening, given.host)
        if not is_loopback(given.host):
            log.warning(
                "%s answers everyone who can reach it, and asks for no password: let a firewall or a proxy choose who "
                "can",
                url,
            )
        say(f"{url} serves {source.scorer.version}, {words(age(source.scorer))}; {url}/docs shows what can be asked")
        serve(app, listening, given.access_log)


def parser() -> StudyParser:
    """The options of ``asmg serve``."""
    options = StudyParser(
        "serve",
        "FOLDER [option …]",
        "Answer requests over HTTP: POST /score and /recommend, GET /health, /metrics and /docs. FOLDER is a run whose "
        "walk had --export.keep, a store of versions, or one version. The server follows the store: a version that is "
        "published, or gone back to, takes over between two requests.\n\n"
        "SIGTERM or Ctrl-C stops the server when the requests that have arrived are answered.",
        ["runs/mine", "runs/mine/serving --port 8080 --watch 1", "runs/mine --host 0.0.0.0 --max-users 10"],
    )
    options.add_argument(
        "folder",
        metavar="FOLDER",
        type=place,
        help="a run, a store of versions, or one version; or the address of one, such as s3://bucket/runs/shop",
    )
    where = options.add_argument_group("where")
    where.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (default: 127.0.0.1, which only programs on this machine reach)",
    )
    where.add_argument(
        "--port", type=_port, default=8000, help="the port; 0 takes a free one and prints it (default: 8000)"
    )
    what = options.add_argument_group("what answers")
    what.add_argument(
        "--watch",
        type=_seconds,
        default=2.0,
        metavar="SECONDS",
        help="how often to look which version the store names; 0 stays with the first one (default: 2)",
    )
    what.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="CLASS",
        help="a recommender class of your own that a version may name, as module.Class; a name that ends with a dot "
        "allows all classes whose path begins with it. May be given several times",
    )
    what.add_argument(
        "--threads",
        type=positive,
        default=1,
        metavar="N",
        help="requests that are scored at the same time (default: 1)",
    )
    limits = options.add_argument_group("limits, of one request but for the last")
    for name, default, meaning in (
        ("body", 2**20, "bytes of its body"),
        ("candidates", 10_000, "items of one user, to score or to choose from"),
        ("k", 1_000, "items that a user gets"),
        ("users", 100, "users"),
        ("waiting", 100, "requests that may wait; further ones are told to come again, with status 503"),
    ):
        limits.add_argument(
            f"--max-{name}", type=positive, default=default, metavar="N", help=f"{meaning} (default: {default})"
        )
    options.add_argument("--access-log", action="store_true", help="show a line for each request on standard error")
    return options


def _port(text: str) -> int:
    """A port's number."""
    if not text.isdecimal() or int(text) >= 2**16:
        raise argparse.ArgumentTypeError(f"{text} is no port: give a whole number from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    """A number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds: give 0, 0.5, 2 or so")
    return seconds
