"""A port is opened, or one message says why not."""

from __future__ import annotations

import socket

import pytest

from asmg_pl.errors import ConfigError
from asmg_pl.serving.server import is_loopback, listen, url_of


def test_a_free_port_is_taken_and_told() -> None:
    with listen("127.0.0.1", 0) as listening:
        url = url_of(listening, "127.0.0.1")
        port = int(url.rpartition(":")[2])
        assert url.startswith("http://127.0.0.1:")
        assert port > 0
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_taken_port_is_one_message() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is taken by another program.*--port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no such host.invalid", "192.0.2.1", "127.0.0.1.5"])
def test_an_address_of_another_machine_is_one_message(host: str) -> None:
    with pytest.raises(ConfigError, match="no address of this machine"):
        listen(host, 0)


def test_an_empty_address_does_not_mean_all() -> None:
    with pytest.raises(ConfigError, match="--host is empty"):
        listen("", 0)


def test_a_port_can_be_taken_again_at_once() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        first.accept()[0].close()
    client.close()
    listen("127.0.0.1", port).close()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    try:
        listening = listen("::1", 0)
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    with listening:
        assert url_of(listening, "::1") == f"http://[::1]:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_alone_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
