"""The rows of users and items that come and go, in all models and snapshots of an updater.

    scoring of period t        rows as they were by the end of period t - 1
    ─────────────────────      ids of period t that get a row: it begins as a copy of the shared row, without moments
    training on period t       rows as they are by the end of period t

So no score of a period depends on who comes with it, and an id's score does not jump when it gets a row of its own. It
does if ``model.new_rows`` names another start, which then counts for rows that are given on too. Which ids have which
rows, :mod:`asmg_pl.data.lifetimes` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from asmg_pl.data.datamodule import PeriodDataModule
from asmg_pl.errors import ConfigError
from asmg_pl.generators.table_entries import histories_in, models_in, table_entries
from asmg_pl.recommenders import Hashed, Recommender
from asmg_pl.recommenders.row_access import Owners

#: The row that all ids without a row of their own share.
SHARED = 0


def check(recommender: Recommender, data: PeriodDataModule) -> None:
    """Refuse tables that do not work with ids that come and go.

    Args:
        recommender: the base model.
        data: the stream.

    Raises:
        ConfigError: naming the table.
    """
    for kind, tenants in data.tenants.items():
        if any(isinstance(each, Hashed) and kind in each.buckets for each in recommender.modules()):
            raise ConfigError(
                f"data.lifetimes.{kind}s does not work with hashed {kind}s: a row of a hashed table belongs to all "
                f"{kind}s of its bucket, so that none of them can be admitted or expire. Set data.lifetimes.{kind}s to "
                f"false, or leave recommender.{kind}s out"
            )
        _check_rows(recommender, kind, tenants.used(data.last_period))
        if not recommender.tables_of(kind):
            raise ConfigError(
                f"data.lifetimes.{kind}s: {type(recommender).__name__} has no table whose name begins with {kind!r}, "
                f"only {', '.join(recommender.tables)}: set it to false"
            )


def _check_rows(recommender: Recommender, kind: str, used: int) -> None:
    """Check that tables have the rows that ids are given.

    Raises:
        ConfigError: naming a table that has fewer.
    """
    for name in recommender.tables_of(kind):
        if (rows := recommender.rows_in_all(name)) < used:
            raise ConfigError(
                f"the table {name!r} has {rows:,} rows, and data.lifetimes needs {used:,} for "
                f"the {kind}s of the stream as it is cut now. If the stream has grown, cut it by EqualRows or a "
                f"calendar, since equal counts are cut anew; if the table has a fixed size, set data.lifetimes.{kind}s "
                "to false"
            )


def stand_at(module: nn.Module, data: PeriodDataModule, period: int, device: torch.device) -> None:
    """Let all models within a module look ids up in the rows that they have by the end of a period.

    Raises:
        ConfigError: if a table has too few rows.
    """
    if not data.tenants:
        return
    rows = {kind: tenants.rows_at(period).to(device) for kind, tenants in data.tenants.items()}
    for _, model in models_in(module):
        for kind, tenants in data.tenants.items():
            _check_rows(model, kind, tenants.used(period))
        model.row_of = {name: of for kind, of in rows.items() for name in model.tables_of(kind)}


def rows_at(recommender: Recommender, data: PeriodDataModule, period: int) -> dict[str, Tensor]:
    """By table, the row of each id by the end of a period, int32 [ids + 1]; empty if no ids come and go."""
    of_kind = {kind: tenants.rows_at(period) for kind, tenants in data.tenants.items()}
    return {name: of for kind, of in of_kind.items() for name in recommender.tables_of(kind)}


@torch.no_grad()
def begin_rows(
    module: nn.Module,
    recommender: Recommender,
    optimizer: Optimizer,
    data: PeriodDataModule,
    period: int,
    starts: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Let the rows that ids get with a period begin in all models and snapshots, as the shared row or at given numbers.

    Their moments and their counts of updates begin at 0. Of a table that several processes hold in part, each begins
    the rows that it has.

    Args:
        module: the updater.
        recommender: its base model.
        optimizer: of the base model.
        data: the stream.
        period: the period, which has been scored.
        starts: the numbers at which the rows at hand begin, float [n, D] by table; as the shared row where there are
            none. See :func:`asmg_pl.updaters.rows.new_rows.starts`.

    Returns:
        The places of the rows at hand by table, int64 [n].
    """
    begun = {
        name: recommender.places_of(name, tenants.begun(period).to(recommender.table(name).device))
        for kind, tenants in data.tenants.items()
        for name in recommender.tables_of(kind)
    }
    for name, rows in begun.items():
        owners, start = recommender.owners.get(name), starts.get(name)
        for _, model in models_in(module):
            table = model.table(name)
            table[rows] = shared_of(table, owners) if start is None else start
        for _, history in histories_in(module):
            snapshots = history.tables.get_buffer(name)
            snapshots[:, rows] = shared_of(snapshots, owners, axis=1) if start is None else start
            if history.keeps_state:
                state = history.hidden.get_buffer(name)
                state[rows] = shared_of(state, owners)
            if history.counts:
                history.counts.asked.get_buffer(name)[rows] = 0
                history.counts.snapshots.get_buffer(name)[:, rows] = 0
        for value in optimizer.state.get(recommender.table(name), {}).values():
            if isinstance(value, Tensor) and value.shape == recommender.table(name).shape:
                value[rows] = 0
    return begun


def shared_of(values: Tensor, owners: Owners | None, axis: int = 0) -> Tensor:
    """The shared row in a tensor with a table's rows along an axis, of which the result has one.

    Args:
        values: with the rows at hand.
        owners: the way to rows that other processes hold; ``None`` if all rows are at hand. All processes must call.
        axis: along which the rows stand.
    """
    return values.narrow(axis, SHARED, 1).clone() if owners is None else owners.first_of(values, axis)


def saved_by_lifetimes(module: nn.Module, recommender: Recommender, data: PeriodDataModule) -> dict[str, int]:
    """The bytes that rows for all ids of a kind would take more, in models, moments and snapshots, by kind."""
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    per_row = dict.fromkeys(recommender.tables, 0)
    for entry, (name, axis) in table_entries(module).items():
        shape = [*tensors[entry].shape]
        del shape[axis]
        per_row[name] += math.prod(shape) * tensors[entry].itemsize
    for name, table in recommender.table_parameters().items():
        per_row[name] += 2 * table.shape[1] * table.itemsize  # the moments
    found = {}
    for kind, tenants in data.tenants.items():
        spared = tenants.ids - tenants.used(data.last_period)
        own = spared * sum(per_row[name] for name in recommender.tables_of(kind)) if recommender.tables else 0
        found[kind] = own - tenants.rows_at(0).nbytes
    return found
