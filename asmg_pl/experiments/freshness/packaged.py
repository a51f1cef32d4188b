"""Scores a serving package on any periods of its stream, for runs whose checkpoints are gone.

The ids of a package are those of its stream, as far as they were known at its period's end. All others are the unknown
one, which has a row: the mean of the others. A checkpoint's model has the initial numbers there, so the two kinds of
models are never compared with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from asmg_pl.data import PeriodDataModule
from asmg_pl.errors import CheckpointError
from asmg_pl.experiments.freshness.scoring import Tell
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.serving import Package, open_package
from asmg_pl.updaters import Updater
from asmg_pl.updaters.scoring import Scoring


class PackageScorer:
    """Scores the packages of one walk."""

    def __init__(self, updater: Updater, data: PeriodDataModule) -> None:
        """Take the walk's classes.

        Args:
            updater: the walk's method, for its periods, and its recommender, whose class may be imported.
            data: the stream.
        """
        self.data = data
        self._updater = updater

    @torch.no_grad()
    def score(self, folder: Path, periods: Sequence[int], tell: Tell) -> dict[int, PeriodResult]:
        """Score what a package serves.

        Args:
            folder: of the package.
            periods: all with rows, in any order.
            tell: called with each period when its scoring begins.

        Raises:
            UserError: if the package is damaged, or of another stream.
        """
        kinds = (type(module) for module in self._updater.recommender.modules())
        package = open_package(folder, allow={f"{kind.__module__}.{kind.__qualname__}" for kind in kinds})
        period = self._check_stream(package)
        model, updater = package.served(), self._updater
        scoring = Scoring(self.data.known_before, updater.pretrain_periods, updater.test_from)
        self.data.evaluate = sorted(periods)
        told = 0
        for scored, batch in self.data.test_dataloader():
            if scored != told:
                told = scored
                tell(told)
            scoring.score(scored, lambda rows: {"serving": model(package.as_known(rows))}, batch)
        return scoring.evaluation(period)

    def _check_stream(self, package: Package) -> int:
        """The package's period, once it is clear that it was walked on this stream, cut alike."""
        found, data = package.manifest.provenance, self.data
        period = int(found["period"])
        rows = data.boundaries[period] if period <= data.last_period else -1
        if found["rows"] != rows or found["fingerprint"] != data.log.fingerprint(rows):
            raise CheckpointError(
                f"{package.folder} was made after {found['rows']:,} rows of another stream, or of one that was cut "
                "otherwise: give the run's own stream (-- --data.root FOLDER), or move the package away"
            )
        return period
