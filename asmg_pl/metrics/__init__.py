"""Prequential metrics: the scores of models on periods that the models have not been trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asmg_pl.system.lazy import lazy

if TYPE_CHECKING:
    from asmg_pl.metrics.probability import calibration, log_loss, normalized_entropy, row_losses
    from asmg_pl.metrics.ranking import Ranking
    from asmg_pl.metrics.scoreboard import Scoreboard
    from asmg_pl.metrics.scored_rows import ScoredRows
    from asmg_pl.metrics.top_k import TopK

#: Where the names stand. They are imported when they are first used, since results are read without torch.
_HOMES = {
    "Ranking": ".ranking",
    "Scoreboard": ".scoreboard",
    "ScoredRows": ".scored_rows",
    "TopK": ".top_k",
    "calibration": ".probability",
    "log_loss": ".probability",
    "normalized_entropy": ".probability",
    "row_losses": ".probability",
}

__all__ = ["Ranking", "Scoreboard", "ScoredRows", "TopK", "calibration", "log_loss", "normalized_entropy", "row_losses"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
