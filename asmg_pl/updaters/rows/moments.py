"""The scale of numeric features: what a model may know of a stream's numbers.

period        t - 1             t                          t + 1
rows          ──────────────────score ─▶ update────────────score ─▶ …
moments of    1 … t - 1 ───────────────▶ 1 … t ──────────────────▶ …

A phase that trains for period t takes the moments of the rows up to its end. They stay until the next phase that
trains. So a period is scored with moments of earlier periods alone, in the scale in which the model was trained; and a
model that is trained no more keeps its scale.
"""

from __future__ import annotations

from torch import nn

from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.recommenders.numbers import Numbers


def scale(module: nn.Module, data: PeriodDataModule, period: int) -> None:
    """Let all models within a module scale numbers with the moments of the rows up to the end of a period.

    Args:
        module: an updater.
        data: the stream.
        period: the period.
    """
    found = [part for part in module.modules() if isinstance(part, Numbers) and part.features]
    if found:
        moments = data.moments_by(period)
        for numbers in found:
            numbers.take(moments.mean, moments.std)
