"""The scores of serving packages on periods of a stream, as the packages would have answered.

    package (rows up to period 29) ─┐
    rows of period 31 ──────────────┴─▶ logits ─▶ the metrics of a walk

A row's history and context are those of its own time, as in the walk. Users, items and values that the package does not
know get the package's row for the unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from asmg_pl.data import PeriodDataModule
from asmg_pl.errors import DataError
from asmg_pl.metrics import Scoreboard
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.serving.package import Package


def score_periods(
    package: Package, data: PeriodDataModule, periods: Iterable[int], name: str, split: str
) -> dict[int, PeriodResult]:
    """Score a package on periods.

    Args:
        package: the package, which was made of the beginning of the stream, see :func:`check_same_stream`.
        data: the stream, cut into periods.
        periods: the periods to score.
        name: the package's name among the models of the results.
        split: of the results.
    """
    board = Scoreboard(data.known_before)
    served = package.served()
    data.evaluate = list(periods)
    if not data.evaluate:
        return {}
    with torch.no_grad():
        for period, batch in data.test_dataloader():
            board.update(period, {name: served(package.as_known(batch))}, batch)
    return {period: board.take(period, split) for period in board.periods()}


def check_same_stream(package: Package, data: PeriodDataModule) -> None:
    """Check that a package was made of the beginning of this stream.

    Raises:
        DataError: if it was not.
    """
    told = package.manifest.provenance
    rows, fingerprint = told.get("rows"), told.get("fingerprint")
    if not isinstance(rows, int) or rows > len(data.log) or data.log.fingerprint(rows) != fingerprint:
        raise DataError(
            f"the version in {package.folder} was made of other rows than those of {data.root}, so that it cannot be "
            "compared on them: give this run a store of its own (--store FOLDER), or give --force once, to publish "
            "without a comparison"
        )
