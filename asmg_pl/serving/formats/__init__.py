"""Formats in which other programs run the serving model: ``torch.export``, ONNX, and vectors for a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asmg_pl.serving.formats.names import FORMATS

if TYPE_CHECKING:
    from asmg_pl.serving.formats.writing import write_formats

__all__ = ["FORMATS", "write_formats"]


def __getattr__(name: str) -> Any:
    """Import what writes, when it is first used: it needs much more than the names."""
    if name != "write_formats":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from asmg_pl.serving.formats.writing import write_formats

    return write_formats
