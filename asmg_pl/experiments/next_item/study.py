"""The study from beginning to end: methods are walked one after the other, and the table grows by each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from asmg_pl.experiments.next_item import finished
from asmg_pl.experiments.next_item.methods import METHODS
from asmg_pl.experiments.next_item.picture import draw
from asmg_pl.experiments.next_item.settings import Settings
from asmg_pl.experiments.next_item.table import means, show
from asmg_pl.experiments.next_item.walking import Walk
from asmg_pl.experiments.next_item.weeks import read
from asmg_pl.experiments.rendering import publish
from asmg_pl.system.files import written_whole
from asmg_pl.system.lock import locked

LOCK = ".ader.lock"


def study(folder: Path, root: Path, methods: Sequence[str], settings: Settings, device: str) -> None:
    """Walk method after method; print the table, and write it anew whenever a method is done.

    Periods that an earlier call has finished are not walked again, and an interrupted one is walked from its beginning,
    with the same numbers.

    Args:
        folder: gets the finished periods; ``ader.csv``, ``.md`` and ``.tex`` with the means, ``ader-periods.csv`` with
            all figures, and ``ader.png``.
        root: the folder of the clicks.
        methods: names in :data:`~asmg_pl.experiments.next_item.methods.METHODS`.
        settings: of the study.
        device: where the models are trained, as torch names it.

    Raises:
        UserError: if the clicks cannot be read, the folder has another study, or a period fails.
    """
    weeks = read(root, settings.clicks)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, f"the study in {folder} is walked", "wait for its end, or stop it", again=False):
        finished.claim(folder, settings, weeks.fingerprint)
        rows: list[dict[str, Any]] = []
        for name in methods:
            rows += Walk(METHODS[name], weeks, settings, torch.device(device)).walk(folder)
            with written_whole(folder / "ader-periods.csv") as partial:
                pl.DataFrame(rows).write_csv(partial)
            draw(rows, folder / "ader.png")
            found = means(rows)
            publish(found, show(found, settings), folder / "ader")
