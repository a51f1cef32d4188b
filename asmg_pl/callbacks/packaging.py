"""What a walk puts into a serving package: all that is known at the end of a period, and nothing later."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from torch import Tensor, nn

from asmg_pl.callbacks.provenance import commit
from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.data.sizes import Sizes
from asmg_pl.data.so_far import SoFar
from asmg_pl.distributed.gather import Gathering
from asmg_pl.errors import ConfigError, DataError, UserError
from asmg_pl.metrics.results import PeriodResult
from asmg_pl.recommenders import Recommender
from asmg_pl.recommenders.row_access import Owners
from asmg_pl.serving.arrays import CHUNK, Rows
from asmg_pl.serving.classes import described
from asmg_pl.serving.contents import Contents, Lists, kinds
from asmg_pl.serving.headed import Headed, HeadNumbers
from asmg_pl.serving.writer import write
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.rows import tenancy

#: How many of the latest periods a package tells the scores of.
LATEST = 7

#: The metrics that it tells.
METRICS = ("auc", "logloss", "gauc", "calibration")

#: The names of ids in a package, and as a stream calls them.
STREAM_NAMES = {"user": "users", "item": "items", "category": "categories"}

Done = TypeVar("Done")


def write_package(updater: Updater, data: PeriodDataModule, folder: str | Path, so_far: SoFar | None = None) -> None:
    """Write the serving package of the last period that a walk has been through.

    All processes of a walk call it, and the first one writes.

    Args:
        updater: as it stands at the end of the period.
        data: the stream that it walks.
        folder: where the package goes.
        so_far: facts of the stream, which is read on from where they end; by default it is read from its first row.

    Raises:
        UserError: if the package cannot be made or written.
    """
    on_first_process(updater, data, lambda contents: write(contents, folder), so_far)


def on_first_process(
    updater: Updater, data: PeriodDataModule, use: Callable[[Contents], Done], so_far: SoFar | None = None
) -> Done | None:
    """Make the contents of a package and use them, on the first process; see :func:`write_package`.

    Returns:
        What ``use`` gives on the first process; ``None`` on the others.
    """
    strategy, period = updater.trainer.strategy, completed_period(updater)
    gathering, done, failure = Gathering(), None, None
    models, numbers = _served(updater)
    states = {name: _state(model, updater, data, period, gathering) for name, model in models.items()}
    if strategy.is_global_zero:
        try:
            done = use(_contents(updater, data, period, models, numbers, states, so_far))
        except Exception as error:  # the other processes still wait for this one
            failure = error
    gathering.finish()
    message = strategy.broadcast(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if message is not None:
        raise UserError(message)
    return done


def completed_period(updater: Updater) -> int:
    """The last period that a walk has been through.

    Raises:
        ConfigError: if it is in the middle of a period, or at its beginning.
    """
    place = updater.place
    if place.phase or place.period <= max(1, updater.pretrain_periods):
        raise ConfigError(
            f"the walk stands in period {place.period}, before its end, and a serving package is made after a period's "
            "last phase: walk on to there"
        )
    return place.period - 1


def check_description(updater: Updater) -> None:
    """Check, before any work is done, that the updater's model can be named by a package.

    Raises:
        ConfigError: if its class or an argument of it cannot be named.
    """
    described(updater.recommender)


def _served(updater: Updater) -> tuple[dict[str, Recommender], HeadNumbers | None]:
    """The models that answer requests, by name, and the numbers of the head on them, if there is one."""
    served = updater.served_model()
    models: dict[str, nn.Module] = {"serving": served}
    if isinstance(served, Headed):
        models = dict(served.models.items())
    found = {name: model for name, model in models.items() if isinstance(model, Recommender)}
    if len(found) < len(models):
        kind = type(served).__name__
        raise ConfigError(f"{type(updater).__name__} serves a {kind}, and a serving package holds recommenders only")
    return found, served.numbers if isinstance(served, Headed) else None


def _state(
    model: Recommender, updater: Updater, data: PeriodDataModule, period: int, gathering: Gathering
) -> dict[str, Tensor | Rows]:
    """Parameters and buffers by name, of tables the rows that have appeared; of ids that come and go, those in use."""
    known = updater.appeared.rows_in_all(data.sizes_by(period))
    tables = {f"tables.{name}.weight": (name, rows) for name, rows in known.items()}
    row_of = tenancy.rows_at(model, data, period)
    ids = updater.appeared.rows_in_all(data.ids_by(period))
    found: dict[str, Tensor | Rows] = {}
    for path, values in model.state_dict().items():
        name, rows = tables.get(path, (None, 0))
        if name in row_of:
            found[path] = _in_use(values, row_of[name][: ids[name]], model.owners.get(name), gathering)
        elif name is not None and name in model.owners:
            found[path] = gathering.rows(values, model.owners[name], rows)  # type: ignore[arg-type]
        else:
            found[path] = values if name is None else values[:rows]
    return found


def _in_use(values: Tensor, row_of: Tensor, owners: Owners | None, gathering: Gathering) -> Rows:
    """The rows of a table whose ids come and go, by the ids that have one; all others have the shared row."""
    shared, own = tenancy.shared_of(values, owners), row_of[row_of != tenancy.SHARED]
    if owners is not None:
        return gathering.rows(values, owners, own, shared)  # type: ignore[arg-type]
    chunks = (values[rows.long().to(values.device)] for rows in own.split(CHUNK))
    return Rows((len(own), *values.shape[1:]), values.dtype, lambda: chunks, shared)


def _contents(
    updater: Updater,
    data: PeriodDataModule,
    period: int,
    models: Mapping[str, Recommender],
    numbers: HeadNumbers | None,
    states: Mapping[str, Mapping[str, Tensor | Rows]],
    so_far: SoFar | None,
) -> Contents:
    log, boundaries = data.log, data.boundaries
    sizes = updater.appeared.seen_by_model(data.ids_by(period))._replace(past=None)
    so_far = so_far or SoFar(log, data.history_size)
    for end in boundaries[bisect_right(boundaries, so_far.rows) : period + 1]:
        if end > so_far.rows:  # an empty period is none of its own
            so_far.read(end)
    popularity = np.zeros(sizes.items, np.float32)
    popularity[: len(so_far.popularity)] = so_far.popularity
    catalogue = None
    if sizes.categories:
        newest = log.as_of(max(0, boundaries[period] - 1)).categories
        assert newest is not None
        catalogue = newest[: sizes.items].numpy().astype(np.int32)
        catalogue = catalogue[:, : max(1, int((catalogue >= 0).sum(1).max(initial=0)))]  # later items may have more
    choice = updater.choice()
    return Contents(
        recommender=described(next(iter(models.values()))),
        sizes=sizes,
        models=states,
        names=_names(data, sizes),
        history=Lists(*so_far.history(sizes.users)),
        seen=Lists(*so_far.seen(sizes.users)),
        popularity=popularity,
        history_size=data.history_size,
        context=log.context_names,
        features=so_far.features(sizes.users, sizes.items),
        catalogue=catalogue,
        head=numbers,
        tenants=_tenants(data, period, sizes),
        choice=None if choice is None else choice._asdict(),
        provenance=_provenance(updater, data, period),
    )


def _names(data: PeriodDataModule, sizes: Sizes) -> dict[str, np.ndarray | list[str]]:
    """The names of ids by kind, as many as are known.

    Raises:
        DataError: if the stream does not know them.
    """
    found: dict[str, np.ndarray | list[str]] = {}
    for kind, count in kinds(sizes).items():
        name = STREAM_NAMES.get(kind, kind)
        if name not in data.log.names:
            raise DataError(
                f"the stream does not know the names of its {name}, which a serving package needs: make its log with "
                "InteractionLog.from_frame, or give it names"
            )
        names = data.log.names[name]().head(count)
        found[kind] = names.to_list() if names.dtype == pl.String else names.to_numpy()
    return found


def _tenants(data: PeriodDataModule, period: int, sizes: Sizes) -> dict[str, np.ndarray]:
    """The ids that have a row of their own, int32 [m], by the kinds of ids that come and go."""
    return {
        kind: np.flatnonzero(tenants.rows_at(period)[: kinds(sizes)[kind]] != tenancy.SHARED).astype(np.int32)
        for kind, tenants in data.tenants.items()
    }


def _provenance(updater: Updater, data: PeriodDataModule, period: int) -> dict[str, Any]:
    rows = data.boundaries[period]
    first, last = (data.log.time_at(row) if rows else None for row in (0, rows - 1))
    results = islice(reversed(updater.results.values()), LATEST)
    return {
        "stream": str(data.root or type(data.source).__name__),
        "fingerprint": data.log.fingerprint(rows),
        "method": type(updater).__name__,
        "period": period,
        "rows": rows,
        "from": first,
        "until": last,
        "scores": [_scores(result) for result in results][::-1],
        "program": version("asmg_pl"),
        "commit": commit(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _scores(result: PeriodResult) -> dict[str, Any]:
    """A period's result as JSON can hold it: a number that is not defined is ``null``."""
    scores = {
        model: {metric: each[metric] if math.isfinite(each[metric]) else None for metric in METRICS}
        for model, each in result.scores.items()
    }
    told = {"period": result.period, "split": result.split, "rows": result.rows, "served": result.served}
    return told | {"scores": scores}
