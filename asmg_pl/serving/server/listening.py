"""Listens on a port, and stops well: requests that have arrived are answered, then the program ends.

    SIGTERM, SIGINT, SIGHUP, SIGUSR1   no new connection; what has arrived is answered; exit status 128 + signal
    the second SIGINT                  ends at once
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from asmg_pl.errors import ConfigError
from asmg_pl.system.signals import STOPPING

#: Seconds in which requests that have arrived are answered after a signal. It is less than
#: :data:`asmg_pl.system.signals.PATIENCE`, after which the process ends anyway.
GRACE = 8


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address.

    Examples:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
        [True, True, True, False, False]
    """
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens.

    Args:
        host: the address, or a name of this machine.
        port: 0 takes a free one.

    Raises:
        ConfigError: if the port is taken or not allowed, or the host is not this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(_why_not(host, port, error)) from None


def url_of(listening: socket.socket, host: str) -> str:
    """The URL of a listening socket."""
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: FastAPI, listening: socket.socket, access_log: bool = False) -> None:
    """Answer requests until a signal stops the program.

    Args:
        app: the application.
        listening: the socket; it is closed at the end.
        access_log: whether each request is a line on standard error.

    Raises:
        Stopped: after the signal, if the command line has set the handler for that; see :mod:`asmg_pl.system.signals`.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=access_log,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=GRACE,
    )
    if access_log:
        _log_access()
    server = uvicorn.Server(config)
    with _signals_stop(server):
        server.run(sockets=[listening])


@contextmanager
def _signals_stop(server: uvicorn.Server) -> Iterator[None]:
    """A context in which signals let a server stop well; then they have the effect that they had before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def stop(signum: int, frame: object) -> None:
        server.force_exit = signum == signal.SIGINT and server.should_exit
        server.should_exit = True
        caught.append(signum)

    # uvicorn sets handlers for SIGINT and SIGTERM, and raises these signals again when it ends.
    taken = [each for each in STOPPING if signal.getsignal(each) not in (signal.SIG_IGN, None)]
    before = {each: signal.signal(each, stop) for each in taken}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if caught:
        signal.raise_signal(caught[0])


def _log_access() -> None:
    log, handler = logging.getLogger("uvicorn.access"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _why_not(host: str, port: int, error: OSError) -> str:
    """What is wrong with an address, and how to mend it."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine: give one, or 127.0.0.1"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another program: choose another with --port, or --port 0 for a free one"
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user ({error.strerror}): choose one from 1024 on with --port"
    return f"port {port} of {host} cannot be opened ({error.strerror}): choose another with --port"
