"""Prequential metrics: the scores of models on periods that the models have not been trained on."""

from asmg_pl.metrics.probability import calibration, log_loss, normalized_entropy, row_losses
from asmg_pl.metrics.ranking import Ranking
from asmg_pl.metrics.scoreboard import Scoreboard
from asmg_pl.metrics.scored_rows import ScoredRows

__all__ = ["Ranking", "Scoreboard", "ScoredRows", "calibration", "log_loss", "normalized_entropy", "row_losses"]
