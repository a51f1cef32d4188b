"""Users and items that come and go: nothing leaks, a walk goes on and grows, and a row begins as the shared one."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from updaters.test_prefix import METHODS, PERIODS, ROWS, SHORT, Growing, scores, walk

from asmg_pl.callbacks.provenance import provenance
from asmg_pl.data import EqualRows, Lifetimes, PeriodDataModule, Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.generators import RowGenerator
from asmg_pl.generators.table_entries import histories_in, models_in
from asmg_pl.recommenders import Hashed, MatrixFactorization, Recommender
from asmg_pl.updaters import (
    ASMG,
    EWC,
    IncrementalUpdate,
    MeanOfCategories,
    PrequentialHead,
    SelfTuning,
    SomeRows,
    Updater,
)
from asmg_pl.updaters.rows.tenancy import saved_by_lifetimes, stand_at

LIFETIMES = Lifetimes(admit_after=2, expire_after=2)
CASES = METHODS | {
    "ASMG, counts of updates": partial(ASMG, window=2, generator=RowGenerator),
    "a head": partial(IncrementalUpdate, head=PrequentialHead()),
    "self-tuned": partial(IncrementalUpdate, self_tuning=SelfTuning(learning_rates=[1e-3, 3e-3])),
}


def tensors(updater: Updater) -> dict[str, Tensor]:
    return {name: value for name, value in updater.state_dict().items() if isinstance(value, Tensor)}


#: Cases that are tried in seconds; the others take minutes together.
QUICK = ("tables apart", "ASMG, counts of updates")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_later_rows_change_nothing_and_a_walk_goes_on_along_a_grown_stream(name: str, tmp_path: Path) -> None:
    uncut = walk(CASES[name], ROWS * PERIODS + 31, lifetimes=LIFETIMES)
    short = walk(CASES[name], ROWS * SHORT + 17, tmp_path / "checkpoint", lifetimes=LIFETIMES)
    assert scores(short) == scores(uncut)
    assert len(uncut.recommender.table("user")) > len(short.recommender.table("user"))
    resumed = walk(CASES[name], ROWS * PERIODS + 31, tmp_path / "checkpoint", resume=True, lifetimes=LIFETIMES)
    assert scores(resumed, PERIODS) == scores(uncut, PERIODS)
    ours, theirs = tensors(resumed), tensors(uncut)
    assert [key for key, value in ours.items() if not torch.equal(value, theirs[key])] == []


class Watch(Callback):
    """Looks at rows and lookups at the first mini-batch of each phase, before any step is taken."""

    def __init__(self) -> None:
        self.begun, self.reused = 0, 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        updater: Any = pl_module
        phase = updater.phase
        if batch_idx or phase.period <= updater.pretrain_periods:
            return
        for kind, tenants in updater.data.tenants.items():
            by = phase.period - (phase.name == "score")
            for _, model in models_in(updater):
                assert torch.equal(model.row_of[kind], tenants.rows_at(by)), phase
            rows = tenants.begun(phase.period)
            if phase.name == "score" or not len(rows):
                continue
            self.begun += len(rows)
            self.reused += int((rows < tenants.used(phase.period - 1)).sum())
            table = updater.recommender.table(kind)
            assert (table[rows] == table[0]).all()
            for value in updater.trainer.optimizers[0].state[table].values():
                assert value.shape != table.shape or not value[rows].any()
            for _, history in histories_in(updater):
                snapshots = history.tables.get_buffer(kind)
                assert (snapshots[:, rows] == snapshots[:, :1]).all()
                assert not history.counts or not history.counts.snapshots.get_buffer(kind)[:, rows].any()


@pytest.mark.parametrize("lazy", [False, True], ids=["dense", "rows that wait"])
def test_a_row_begins_as_the_shared_one_without_moments_and_counts_and_no_score_knows_who_comes(lazy: bool) -> None:
    watch, method = Watch(), partial(ASMG, window=2, generator=RowGenerator, lazy_tables=lazy)
    walk(method, ROWS * PERIODS, lifetimes=LIFETIMES, callbacks=[watch])
    assert watch.begun > watch.reused > 0


class Noted(MeanOfCategories):
    """Notes what it is asked and what it finds, by table, the latest last."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, SomeRows, SomeRows, Tensor | None]] = []

    def start(self, recommender: Recommender, name: str, new: SomeRows, known: SomeRows) -> Tensor | None:
        found = super().start(recommender, name, new, known)
        self.asked.append((name, new, known, found))
        return found


class Started(ASMG):
    """Looks at the rows that begin with a period, which start as the rule says wherever there are rows."""

    reused = 0

    def admit(self, rows: Any) -> None:
        super().admit(rows)
        assert isinstance(self.new_rows, Noted)
        period, data = self.place.period, self.data
        catalogue = data.log.as_of(data.boundaries[period - 1]).categories
        assert catalogue is not None
        for name, new, known, numbers in self.new_rows.asked:
            if name not in rows:
                continue
            assert numbers is not None
            tenants, begun = data.tenants[name], rows[name]
            assert torch.equal(new.places, begun)
            before = tenants.rows_at(period - 1)
            assert torch.equal(known.places, before[before > 0].long())
            assert (new.categories is None) == (name == "user")
            if new.categories is not None and known.categories is not None:
                assert torch.equal(new.categories, catalogue[tenants.changes[period].come])
                assert torch.equal(known.categories, catalogue[torch.nonzero(before > 0).flatten()])
            for _, model in models_in(self):
                assert torch.equal(model.table(name)[begun], numbers)
            for _, history in histories_in(self):
                assert (history.tables.get_buffer(name)[:, begun] == numbers).all()
            self.reused += len({*begun.tolist()} & {*known.places.tolist()})
        self.new_rows.asked = []


def test_with_new_rows_a_row_that_is_given_to_an_id_starts_at_the_mean_of_those_in_use_before() -> None:
    updater = walk(partial(Started, window=2, new_rows=Noted()), ROWS * PERIODS, lifetimes=LIFETIMES)
    assert isinstance(updater, Started)
    assert updater.reused


def test_nothing_is_important_of_a_row_that_begins() -> None:
    class Watched(EWC):
        def admit(self, rows: Any) -> None:
            super().admit(rows)
            for name, begun in rows.items():
                assert not self.importance.table(name)[begun].any()

    walk(Watched, ROWS * SHORT, lifetimes=LIFETIMES)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"recommender": partial(Hashed, items=5)}, "belongs to all items of its bucket"),
        ({"recommender": partial(Hashed, users=9999, recommender=MatrixFactorization)}, "belongs to all users of its"),
    ],
    ids=["hashed items", "hashed users"],
)
def test_what_does_not_work_with_it_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as refused:
        walk(IncrementalUpdate, ROWS * PERIODS, lifetimes=LIFETIMES, **options)
    assert "data.lifetimes" in str(refused.value)


def test_tables_that_are_too_small_for_a_stream_that_has_been_cut_anew_are_refused() -> None:
    updater = walk(IncrementalUpdate, ROWS * SHORT, lifetimes=Lifetimes())
    longer = PeriodDataModule(Growing(ROWS * PERIODS), periods=EqualRows(ROWS), lifetimes=Lifetimes())
    stand_at(updater, longer, 3, updater.device)
    with pytest.raises(ConfigError, match="cut it by EqualRows") as refused:
        stand_at(updater, longer, PERIODS, updater.device)
    assert "data.lifetimes" in str(refused.value)


def test_who_gets_a_freed_row_inherits_no_count_of_a_head() -> None:
    """The counts go by ids: they are those of a walk in which each id keeps its row, and a newcomer's are its own."""
    method = partial(IncrementalUpdate, head=PrequentialHead())
    plain, spared = (walk(method, ROWS * PERIODS, lifetimes=rule) for rule in (None, LIFETIMES))
    assert plain.head is not None
    assert spared.head is not None
    assert torch.equal(spared.head.users.table, plain.head.users.table)
    assert torch.equal(spared.head.items.table, plain.head.items.table)
    tenants, data = spared.data.tenants["user"], spared.data
    known, rows = data.known_before(PERIODS)[0], data.log.user[data.boundaries[PERIODS - 1] : data.boundaries[PERIODS]]
    heirs = [
        id_
        for id_, row in zip(tenants.changes[PERIODS].come.tolist(), tenants.begun(PERIODS).tolist(), strict=True)
        if id_ >= known and row < tenants.used(PERIODS - 1)
    ]
    assert heirs  # ids of the newest period, each with a row that another id had before
    for id_ in heirs:
        assert spared.head.users.table[id_, 0] == float((rows == id_).sum())


def test_what_is_saved_is_told_where_reports_look_for_it() -> None:
    told = [provenance(walk(IncrementalUpdate, ROWS * SHORT, lifetimes=rule)) for rule in (None, LIFETIMES)]
    assert "lifetimes" not in told[0]
    assert re.search(r"^\d+ rows for \d+ users, .* admitted after 2 sightings.*: saves .*B;", told[1]["lifetimes"])
    assert re.search(r"a package at the end has rows and names of \d+ users and \d+ items$", told[1]["lifetimes"])


def test_the_memory_that_is_saved_is_that_of_the_rows() -> None:
    plain, spared = (walk(partial(ASMG, window=2), ROWS * PERIODS, lifetimes=rule) for rule in (None, LIFETIMES))
    saved = saved_by_lifetimes(spared, spared.recommender, spared.data)

    def size(updater: Updater) -> int:
        optimizer = updater.trainer.optimizers[0]
        moments = [v for p in updater.recommender.table_parameters().values() for v in optimizer.state[p].values()]
        return sum(t.nbytes for t in [*tensors(updater).values(), *(m for m in moments if m.ndim)])

    maps = sum(tenants.rows_at(0).nbytes for tenants in spared.data.tenants.values())
    assert sum(saved.values()) == size(plain) - size(spared) - maps


def test_ids_that_a_model_does_not_know_have_the_shared_row() -> None:
    updater = walk(IncrementalUpdate, ROWS * PERIODS, lifetimes=LIFETIMES)
    model, data = updater.recommender, updater.data
    batch = data.log.batch(torch.arange(5), history_size=4)
    strangers = batch._replace(user=torch.full_like(batch.user, 10_000))
    asked = model.requests(strangers)["user"].rows
    assert not asked.any()
    assert Sizes(*data.sizes[:2]).users == len(model.table("user"))
