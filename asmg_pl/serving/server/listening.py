"""Listens on a port, and stops well: requests that have arrived are answered, then the program ends.

The server runs in a thread. The main thread waits, and a signal wakes it with an exception, as in all commands: then no
new connection is taken, and what has arrived is answered. A second signal ends the process at once.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from asmg_pl.errors import ConfigError

#: Seconds in which requests that have arrived are answered after a signal.
GRACE = 30


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
        ConfigError: if the port is taken or not allowed, or the host is no address of this machine.
    """
    if not host:
        raise ConfigError("--host is empty: give an address of this machine, 127.0.0.1 or 0.0.0.0 for example")
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
        Stopped: after a signal, when what has arrived is answered; see :mod:`asmg_pl.system.signals`.
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
    with ThreadPoolExecutor(1, thread_name_prefix="http") as thread:  # where uvicorn sets no handlers of signals
        try:
            thread.submit(server.run, sockets=[listening]).result()
        finally:
            server.should_exit = True


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
        return f"port {port} of {host} is taken by another program: choose another with --port; 0 takes a free one"
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user ({error.strerror}): choose one from 1024 on with --port"
    return f"port {port} of {host} cannot be opened ({error.strerror}): choose another with --port"
