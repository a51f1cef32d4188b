"""The measurement from beginning to end: which cells there are, the missing ones scored, the curve written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tqdm import tqdm

from asmg_pl.data import PeriodDataModule
from asmg_pl.errors import ConfigError
from asmg_pl.experiments.freshness.cells import Cell, CellFile, plan
from asmg_pl.experiments.freshness.curve import Curve, curve
from asmg_pl.experiments.freshness.kept import Kept, checkpoints_in, content_of, packages_in
from asmg_pl.experiments.freshness.packaged import PackageScorer
from asmg_pl.experiments.freshness.picture import draw
from asmg_pl.experiments.freshness.scoring import CheckpointScorer, MakeTrainer, Scorer
from asmg_pl.experiments.freshness.sentence import sentences, table
from asmg_pl.experiments.rendering import publish
from asmg_pl.system.lock import locked
from asmg_pl.updaters import Updater

logger = logging.getLogger(__name__)

#: The files of the result, without their endings, and the lock.
RESULT, LOCK = "freshness", ".freshness.lock"


def measure(folder: Path, oldest: int, updater: Updater, data: PeriodDataModule, trainer: MakeTrainer) -> Curve:
    """Score a run's models by age; print the curve, and write it as ``freshness.csv``, ``.md``, ``.tex`` and ``.png``.

    Cells that an earlier call has scored are not scored again.

    Args:
        folder: the run folder.
        oldest: the largest age, in periods.
        updater: the run's method, as it was before the walk.
        data: the run's stream.
        trainer: makes a trainer with further callbacks; the trainer has a period loop.

    Raises:
        UserError: if the run has too few models, or one cannot be scored.
    """
    checkpoints, packages = checkpoints_in(folder, data), packages_in(folder)
    kinds: list[tuple[Kept, Scorer]] = [
        (checkpoints, CheckpointScorer(updater, data, trainer)),
        (packages, PackageScorer(updater, data)),
    ]
    # The first period after pre-training chose its epoch, so that a score on it is not prequential.
    first = updater.pretrain_periods + 2 if updater.pretrain_periods else 1
    interactions = {period: len(data.rows_of(period)) for period in range(first, data.last_period + 1)}
    scorable = [period for period, rows in interactions.items() if rows]
    able_to = [each for each in kinds if _later(_plan(each[0], updater, oldest, scorable))]
    if not able_to:
        able = [n for n in range(2, oldest) if any(_later(_plan(kept, updater, n, scorable)) for kept, _ in kinds)]
        raise ConfigError(_too_few(folder, oldest, [*checkpoints], [*packages], able))
    paths, scorer = able_to[0]
    cells = _plan(paths, updater, oldest, scorable)
    with locked(folder / LOCK, f"the freshness of {folder} is measured", "wait for its end, or stop it", again=False):
        scored = CellFile(folder)
        _score(cells, paths, interactions, scored, scorer)
        found = curve(scored.table(cells))
        draw(found, folder / f"{RESULT}.png", sentences(found, data.periods)[0])
        publish(found.rows, table(found, data.periods), folder / RESULT)
    return found


def _plan(kept: Kept, updater: Updater, oldest: int, scorable: Sequence[int]) -> list[Cell]:
    """The cells of the models that have served; those within pre-training have not."""
    return plan([period for period in kept if period >= updater.pretrain_periods], oldest, scorable)


def _score(
    cells: Sequence[Cell],
    paths: Mapping[int, Path],
    interactions: Mapping[int, int],
    scored: CellFile,
    scorer: Scorer,
) -> None:
    """Score the missing cells, model by model; each model's are kept before the next one is read."""
    contents = {after: content_of(paths[after]) for after in sorted({cell.after for cell in cells})}
    missing = {
        after: found
        for after, own in groupby(cells, key=lambda cell: cell.after)
        if (found := scored.missing(own, contents[after], interactions))
    }
    total = sum(map(len, missing.values()))
    if total < len(cells):
        logger.info("%d of %d scores are there already", len(cells) - total, len(cells))
    with tqdm(
        total=total,
        desc=f"model after period {min(missing, default=0)}",
        disable=not total,
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else 5.0,  # a log file gets a line now and then
        leave=False,
    ) as bar:
        for after, own in missing.items():

            def tell(period: int, after: int = after) -> None:
                bar.set_description(f"model after period {after} · period {period}", refresh=False)
                bar.update()

            results = scorer.score(paths[after], [cell.period for cell in own], tell)
            for cell in own:
                scored.add(cell, contents[after], interactions[cell.period], results[cell.period])
            scored.write()


def _later(cells: Sequence[Cell]) -> bool:
    """Whether there is a period to score after those that the models were trained on."""
    return any(not cell.seen for cell in cells)


def _too_few(
    folder: Path, oldest: int, checkpoints: Sequence[int], packages: Sequence[int], fewer: Sequence[int]
) -> str:
    """Why no period can be scored by models of all ages, and what to set; ``fewer`` ages could be measured."""
    there = [
        f"{name} of {len(kept)} period{'s' * (len(kept) > 1)} ({_spans(kept)})"
        for name, kept in (("checkpoints", checkpoints), ("serving packages", packages))
        if kept
    ]
    able = f", or give --ages {fewer[-1]}" if fewer else ""
    return (
        f"{folder} has {' and '.join(there) or 'no model of a period that was walked to its end'}: ages 1 to {oldest} "
        f"are compared on the same later periods, which need the models of {oldest} periods in a row. Walk with "
        f"--checkpoint.keep -1, which keeps a model of each period, or with --export.keep -1{able}"
    )


def _spans(kept: Sequence[int]) -> str:
    """Periods in words, consecutive ones together."""
    groups = [[p for _, p in group] for _, group in groupby(enumerate(kept), key=lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{group[0]} to {group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)
