"""The scores of serving packages on periods of a stream, as the packages would have answered.

    package (rows up to period 29) ─┐
    rows of period 31 ──────────────┴─▶ logits ─▶ the metrics of a walk

A row's history and context are those of its own time, as in the walk. Users, items and values that the package does not
know get the package's row for the unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from asmg_pl.data import Batch, PeriodDataModule
from asmg_pl.errors import DataError
from asmg_pl.metrics import Scoreboard
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.serving.package import Package


def score_periods(
    package: Package, data: PeriodDataModule, periods: Iterable[int], model: str, split: str
) -> dict[int, PeriodResult]:
    """Score a package on periods.

    Args:
        package: the package, which was made of the beginning of the stream, see :func:`check_same_stream`.
        data: the stream, cut into periods.
        periods: the periods to score.
        model: the package's name among the models of the results.
        split: of the results.
    """
    board = Scoreboard(data.known_before)
    answer = answers(package, data)
    data.evaluate = list(periods)
    if not data.evaluate:
        return {}
    with torch.no_grad():
        for period, batch in data.test_dataloader():
            board.update(period, {model: answer(batch)}, batch)
    return {period: board.take(period, split) for period in board.periods()}


def answers(package: Package, data: PeriodDataModule) -> Callable[[Batch], Tensor]:
    """The logits [B] that a package gives a mini-batch of the stream.

    Args:
        package: the package.
        data: the stream. Its ids are numbered by first appearance, so the ids that the package knows are the lowest.
    """
    sizes = package.sizes
    served = package.served()
    catalogue = None if package.catalogue is None else package.catalogue.long()
    limits = torch.tensor(sizes.context, dtype=torch.int64)

    def logits(batch: Batch) -> Tensor:
        known = batch._replace(
            user=batch.user.clamp(max=sizes.users),
            item=batch.item.clamp(max=sizes.items),
            history=batch.history.clamp(max=sizes.items),
            categories=catalogue,
            context=None if batch.context is None else torch.minimum(batch.context, limits),
        )
        return served(known)

    return logits


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
