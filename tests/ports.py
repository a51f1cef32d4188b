"""Ports for the processes of a test."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A free port which no outgoing connection gets, as the system takes theirs from 32768 on.

    A port that the system chooses can be taken again before the process that is to listen there has started.
    """
    while True:
        port = random.SystemRandom().randrange(15_000, 30_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
