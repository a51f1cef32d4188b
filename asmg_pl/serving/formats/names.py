"""The formats that a package's model can be written in."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from asmg_pl.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

#: The formats, each with what it is.
FORMATS = {
    "pt2": "a program of torch.export",
    "onnx": "an ONNX model",
    "vectors": "the items' vectors for a search, and a program for the user's",
}

#: What must be installed for ONNX.
_FOR_ONNX = ("onnx", "onnxscript", "onnxruntime")


def check_recommender(recommender: nn.Module, formats: Sequence[str]) -> None:
    """Refuse formats that a recommender does not have, before anything is written.

    Args:
        recommender: what serves.
        formats: those that are wanted.

    Raises:
        ConfigError: if vectors are wanted, and it does not score by a dot product.
    """
    if "vectors" in formats:
        from asmg_pl.serving.formats.towers import Towers

        Towers(recommender)


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that cannot be written, before anything is.

    Raises:
        ConfigError: if a format is not known, or its packages are missing.
    """
    if strange := [each for each in formats if each not in FORMATS]:
        raise ConfigError(f"there is no format {strange[0]!r:.40}: there are {', '.join(FORMATS)}")
    if not formats:
        raise ConfigError(f"no format is named: name one or more of {', '.join(FORMATS)}")
    if "onnx" in formats and not all(find_spec(name) for name in _FOR_ONNX):
        raise ConfigError(
            "the format onnx needs the packages onnx, onnxscript and onnxruntime: pip install 'asmg_pl[onnx]'"
        )
