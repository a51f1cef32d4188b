"""Addresses of stores: how one is told from a path, and how it is shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit


def is_address(name: str | Path | None) -> bool:
    """Whether a name is an address and no path of this machine.

    Examples:
        >>> is_address("s3://shop/clicks"), is_address("streams/clicks"), is_address(Path("a://b")), is_address(None)
        (True, False, False, False)
    """
    return isinstance(name, str) and "://" in name


def shown(address: str) -> str:
    """An address for messages and files, without the name of a user, a password, or a signature.

    Examples:
        >>> shown("postgresql://me:secret@host/shop?sslmode=require")
        'postgresql://host/shop'
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def place(text: str) -> str | Path:
    """What a word of the command line names: an address, without slashes at its end, or a path.

    Examples:
        >>> place("s3://shop/clicks/"), place("streams/clicks/").name
        ('s3://shop/clicks', 'clicks')
    """
    return text.rstrip("/") if is_address(text) else Path(text)
