"""The formats that a package's model can be written in."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from asmg_pl.data.sizes import Sizes
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


def check_recommender(recommender: nn.Module, formats: Sequence[str], sizes: Sizes) -> None:
    """Refuse formats that a recommender does not have, before anything is written.

    Args:
        recommender: what serves.
        formats: those that are wanted.
        sizes: with the features of its stream.

    Raises:
        ConfigError: if vectors are wanted, and it does not score by a dot product; if the stream has features that no
            format takes.
    """
    of_items = [each for each in sizes.context_features if each.side == "item"]
    if formats and (beyond := [*sizes.numbers, *sizes.lists, *of_items]):
        raise ConfigError(
            f"the stream has the feature {beyond[0].name!r}, and formats take categorical features of rows and users "
            "alone, no numbers, lists or features of items: leave the formats out, and serve the package itself (asmg "
            "serve)"
        )
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
