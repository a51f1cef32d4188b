"""Answering requests: the serving package that a walk leaves, the store of its versions, and what reads them.

A process that answers requests imports neither Lightning nor any other part of the training side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asmg_pl.system.lazy import lazy

if TYPE_CHECKING:
    from asmg_pl.serving.answers import Scores, Unknown
    from asmg_pl.serving.contents import Contents
    from asmg_pl.serving.live import Live
    from asmg_pl.serving.package import Package, open_package
    from asmg_pl.serving.scorer import Scorer, load
    from asmg_pl.serving.store import Store
    from asmg_pl.serving.writer import write

#: Where the names stand. They are imported when they are first used.
_HOMES = {
    "Contents": ".contents",
    "Live": ".live",
    "Package": ".package",
    "Scorer": ".scorer",
    "Scores": ".answers",
    "Store": ".store",
    "Unknown": ".answers",
    "load": ".scorer",
    "open_package": ".package",
    "write": ".writer",
}

__all__ = ["Contents", "Live", "Package", "Scorer", "Scores", "Store", "Unknown", "load", "open_package", "write"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
