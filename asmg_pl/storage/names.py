"""How local copies are called in messages: by the addresses that the user knows."""

from __future__ import annotations

from pathlib import Path

_NAMES: dict[str, str] = {}  # the addresses of this process's copies, by their folders


def name(folder: Path, address: str) -> None:
    """Call a folder by an address from now on."""
    _NAMES[str(folder)] = address


def named(text: str) -> str:
    """A text in which the folders of copies have their addresses.

    Examples:
        >>> name(Path("/cache/runs/1f/shop"), "s3://bucket/runs/shop")
        >>> named("/cache/runs/1f/shop/checkpoints is empty")
        's3://bucket/runs/shop/checkpoints is empty'
    """
    for folder in sorted(_NAMES, key=len, reverse=True):
        text = text.replace(folder, _NAMES[folder])
    return text
