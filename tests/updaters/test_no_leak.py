"""No updater lets a row's label take part in the score of a row of the same period."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
import torch
from conftest import Walk
from torch import Tensor
from updaters.test_growth import UPDATERS

from asmg_pl.data import Batch, InteractionLog
from asmg_pl.data.sources import DriftingStream
from asmg_pl.metrics import Scoreboard

ROWS, TURNED = 60, 6  # rows of a short walk's period, and the period whose labels are turned round


@pytest.mark.parametrize("name", UPDATERS)
def test_labels_change_the_scores_of_later_periods_only(
    short_walk: Walk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def logits(turned: bool) -> dict[tuple[int, str], Tensor]:
        """What a walk gives the rows of each period, by period and model."""
        found: dict[tuple[int, str], Tensor] = {}

        def read(source: DriftingStream, root: Path | None) -> InteractionLog:
            rows, period = pl.concat(source.chunks()), pl.int_range(pl.len()) // ROWS + 1
            chosen = pl.when((period == TURNED) & turned).then(1 - pl.col("label")).otherwise("label")
            return InteractionLog.from_frame(rows.with_columns(label=chosen), source.catalogue(), False)

        def note(board: Scoreboard, period: int, logits: Mapping[str, Tensor], batch: Batch) -> None:
            for model, values in logits.items():
                found[period, model] = torch.cat([found.get((period, model), values[:0]), values])
            update(board, period, logits, batch)

        with monkeypatch.context() as patched:
            update = Scoreboard.update
            patched.setattr(DriftingStream, "read", read)
            patched.setattr(Scoreboard, "update", note)
            short_walk(UPDATERS[name])
        return found

    original, turned = logits(False), logits(True)
    assert {period for period, _ in original} == {3, 4, 5, 6, 7}
    for (period, model), values in original.items():
        unchanged = period <= TURNED or name == "Frozen"
        assert torch.equal(values, turned[period, model]) == unchanged, (period, model)
