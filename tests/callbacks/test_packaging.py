"""Serving packages of walks: they answer as the walk scores, from the package alone, and know nothing later."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from slowness import slow_but

import asmg_pl
from asmg_pl.callbacks import PhaseCheckpoint, ServingExport
from asmg_pl.callbacks.export import write_package
from asmg_pl.data import Batch, EqualCounts, EqualRows, InteractionLog, Lifetimes, PeriodDataModule, Sizes
from asmg_pl.data.so_far import SoFar
from asmg_pl.data.sources import DriftingStream, Source, Stream
from asmg_pl.data.stream import StreamWriter
from asmg_pl.errors import ConfigError, DataError, FormatError
from asmg_pl.recommenders import DeepFM, EmbeddingMLP, Hashed, MatrixFactorization, Recommender, TwoTower
from asmg_pl.serving import Package, Scores, Store, load, open_package
from asmg_pl.testing.samples import GrowingStream
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, PrequentialHead, Updater
from asmg_pl.walk import Walk

ROWS, PERIODS, HISTORY = 30, 7, 4

RECOMMENDERS: dict[str, Callable[[Sizes], Recommender]] = {
    "mlp": partial(EmbeddingMLP, embedding_dim=4),
    "deep_fm": partial(DeepFM, embedding_dim=4, hidden=[5]),
    "mf": MatrixFactorization,
    "two_tower": partial(TwoTower, output_dim=3),
    "hashed": partial(Hashed, recommender=partial(EmbeddingMLP, embedding_dim=4), users=6),
    "hashed_mf": partial(Hashed, recommender=MatrixFactorization, users=6, items=5),
}

METHODS: dict[str, Callable[..., Updater]] = {
    "plain": IncrementalUpdate,
    "headed": partial(IncrementalUpdate, head=PrequentialHead()),
    "sml": SML,
    "generated": partial(ASMG, window=2, guard=None),
    "guarded and headed": partial(ASMG, window=2, head=PrequentialHead()),
}


def data_of(source: Source | None = None, root: Path | None = None) -> PeriodDataModule:
    source = source or GrowingStream(ROWS * PERIODS + ROWS // 2)
    where = None if root is None else str(root)
    return PeriodDataModule(source, where, periods=EqualRows(ROWS), batch_size=16, history_size=HISTORY)


def walk(method: Callable[..., Updater], folder: Path, data: PeriodDataModule | None = None, **settings: Any) -> Walk:
    given: dict[str, Any] = {"until": 6, "callbacks": [ServingExport(keep=-1)]} | settings
    made = partial(method, pretrain_periods=2, pretrain_epochs=1, test_from=4)
    with redirect_stdout(io.StringIO()):
        return asmg_pl.walk(made, data or data_of(), folder, enable_progress_bar=False, accelerator="cpu", **given)


def names_of(log: InteractionLog, kind: str, ids: torch.Tensor) -> list[Any]:
    names = log.names[kind]()
    return [names[int(number)] for number in ids]


def rebuilt(package: Package, log: InteractionLog, rows: torch.Tensor) -> Batch:
    """The rows as a mini-batch from raw names and the package alone; histories are those at the row's time."""
    batch = log.batch(rows, package.manifest.history_size)
    user = package.ids("user").find(names_of(log, "users", batch.user))
    item = package.ids("item").find(names_of(log, "items", batch.item))
    history = np.zeros((len(rows), package.manifest.history_size), np.int64)
    for place, (entries, length) in enumerate(zip(batch.history, batch.history_length.tolist(), strict=True)):
        history[place, :length] = package.ids("item").find(names_of(log, "items", entries[:length]))
    context = None
    if batch.context is not None:
        columns = [
            package.ids(f"context-{number}").find(names_of(log, f"context-{number}", column))
            for number, column in enumerate(batch.context.unbind(1))
        ]
        context = torch.from_numpy(np.stack(columns, axis=1))
    return batch._replace(
        user=torch.from_numpy(user),
        item=torch.from_numpy(item),
        history=torch.from_numpy(history),
        categories=package.catalogue,
        context=context,
    )


def known_rows(data: PeriodDataModule, period: int) -> torch.Tensor:
    """The rows of the next period whose users, items, histories and contexts were known by the end of a period."""
    sizes, span = data.ids_by(period), data.rows_of(period + 1)
    rows = torch.arange(span.start, span.stop)
    batch = data.log.batch(rows, HISTORY)
    known = (batch.user < sizes.users) & (batch.item < sizes.items) & (batch.history < sizes.items).all(1)
    if batch.context is not None:
        known &= (batch.context < torch.tensor(sizes.context)).all(1)
    return rows[known]


def scored(store: Path, log: InteractionLog, rows: torch.Tensor) -> torch.Tensor:
    """The logits that a scorer gives the rows, all of whose names it knows."""
    answers = answered(store, log, rows)
    assert not any(answer.unknown for answer in answers)
    return torch.tensor([float(answer.logits[0]) for answer in answers])


def answered(store: Path, log: InteractionLog, rows: torch.Tensor) -> list[Scores]:
    """A scorer's answers to the rows, each asked for by its raw names, with the history of the row's time."""
    scorer, batch, found = load(store), log.batch(rows, HISTORY), []
    for place, length in enumerate(batch.history_length.tolist()):
        (user,), (item,) = names_of(log, "users", batch.user[[place]]), names_of(log, "items", batch.item[[place]])
        history, context = names_of(log, "items", batch.history[place, :length]), {}
        for number, name in enumerate(scorer.package.manifest.context):
            assert batch.context is not None
            (context[name],) = names_of(log, f"context-{number}", batch.context[place, [number]])
        found.append(scorer.score(user, [item], history=history, context=context))
    return found


QUICK = [("guarded and headed", "mlp"), ("plain", "hashed")]
CASES = [*(("plain", name) for name in RECOMMENDERS), *((name, "mlp") for name in METHODS)]


@pytest.mark.parametrize(("method", "recommender"), slow_but(QUICK, CASES))
def test_a_package_answers_as_the_walk_scores(method: str, recommender: str, tmp_path: Path) -> None:
    made = partial(METHODS[method], recommender=RECOMMENDERS[recommender])
    done = walk(made, tmp_path)
    data = done.data
    package = open_package(Store(tmp_path / "serving").path(), verify=True)
    rows = known_rows(data, 6)
    assert len(rows) > 10
    expected = done.updater.logits(data.log.batch(rows, HISTORY))["serving"]
    found = package.served()(rebuilt(package, data.log, rows))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(scored(tmp_path / "serving", data.log, rows), expected, atol=1e-5, rtol=0)
    assert package.sizes == data.sizes_by(6)._replace(past=None)


def test_a_package_has_the_rows_and_names_in_use_where_ids_come_and_go_and_unknown_ones_have_the_shared_row(
    tmp_path: Path,
) -> None:
    data = data_of()
    data.lifetimes = Lifetimes(admit_after=2, expire_after=2)
    done = walk(IncrementalUpdate, tmp_path, data)
    package = open_package(Store(tmp_path / "serving").path(), verify=True)
    assert package.sizes == data.ids_by(6)._replace(past=None)
    for kind, tenants in data.tenants.items():
        in_use = np.flatnonzero(tenants.rows_at(6))
        assert package.tenants[kind].tolist() == in_use.tolist()
        assert 0 < len(in_use) < getattr(package.sizes, f"{kind}s")
        assert len(package.array(f"parameters/serving/tables.{kind}.weight")) == len(in_use) + 1
        names = data.log.names[f"{kind}s"]()
        assert package.array(f"ids/{kind}.names").tolist() == [names[int(number)] for number in in_use]
    rows = known_rows(data, 6)
    expected = done.updater.logits(data.log.batch(rows, HISTORY))["serving"]
    batch = rebuilt(package, data.log, rows)
    torch.testing.assert_close(package.served()(batch), expected, atol=1e-5, rtol=0)
    stranger = torch.full_like(batch.user, package.sizes.users)
    unknown = done.updater.logits(data.log.batch(rows, HISTORY)._replace(user=torch.full_like(stranger, 10**6)))
    torch.testing.assert_close(package.served()(batch._replace(user=stranger)), unknown["serving"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", slow_but(["headed"], ["headed", "guarded and headed"]))
def test_a_scorer_answers_as_the_walk_where_ids_come_and_go_and_tells_who_has_no_row(
    method: str, tmp_path: Path
) -> None:
    data = data_of()
    data.lifetimes = Lifetimes(admit_after=2, expire_after=2)
    done = walk(METHODS[method], tmp_path, data)
    rows = known_rows(data, 6)
    batch = data.log.batch(rows, HISTORY)
    answers = answered(tmp_path / "serving", data.log, rows)
    expected = done.updater.logits(batch)["serving"]
    torch.testing.assert_close(torch.tensor([float(each.logits[0]) for each in answers]), expected, atol=1e-5, rtol=0)
    users, items = (data.tenants[kind].rows_at(6) == 0 for kind in ("user", "item"))
    assert [each.unknown.user for each in answers] == users[batch.user].tolist()
    assert [bool(each.unknown.items) for each in answers] == items[batch.item].tolist()
    assert not any(each.unknown.history for each in answers)  # who shares a row counts in histories, as in the walk
    assert len({*users[batch.user].tolist()}) == len({*items[batch.item].tolist()}) == 2


@pytest.mark.slow
def test_each_package_takes_its_formats_along_and_the_walk_is_as_without_them(tmp_path: Path) -> None:
    plain = walk(IncrementalUpdate, tmp_path / "plain", until=4)
    given = [ServingExport(keep=1, formats=["pt2"])]
    done = walk(IncrementalUpdate, tmp_path / "formats", until=4, callbacks=given)
    store = Store(tmp_path / "formats" / "serving")
    assert [path.name for path in (store.folder / "formats").iterdir()] == [store.current()] == ["after-period-000004"]
    assert (store.folder / "formats" / "after-period-000004" / "model.pt2").is_file()
    assert done.updater.results == plain.updater.results
    for name, value in plain.updater.state_dict().items():
        assert torch.equal(value, done.updater.state_dict()[name])


def test_formats_that_a_recommender_does_not_have_or_nobody_has_are_refused_before_the_walk(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no format 'onx'"):
        ServingExport(keep=1, formats=["onx"])
    with pytest.raises(ConfigError, match="does not score by a dot product"):
        walk(IncrementalUpdate, tmp_path, callbacks=[ServingExport(keep=1, formats=["vectors"])])
    assert not (tmp_path / "serving").exists()


def test_a_package_whose_formats_cannot_be_written_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(package: Package, *_: Any) -> dict[str, float]:
        if package.name == "after-period-000004":
            raise FormatError("model.pt2 is not written")
        return {}

    monkeypatch.setattr("asmg_pl.callbacks.export.write_beside", fail)
    with pytest.raises(FormatError, match=r"model\.pt2 is not written"):
        walk(IncrementalUpdate, tmp_path, callbacks=[ServingExport(keep=-1, formats=["pt2"])])
    assert Store(tmp_path / "serving").current() == "after-period-000003"


def test_without_lifetimes_a_package_has_no_list_of_rows_in_use(tmp_path: Path) -> None:
    walk(IncrementalUpdate, tmp_path, until=4)
    package = open_package(Store(tmp_path / "serving").path())
    assert package.tenants == {}
    assert package.has_row("user").all()
    assert not [path for path in package.manifest.files if "shared" in path or "tenants" in path]


def test_nothing_later_than_its_period_is_in_a_package(tmp_path: Path) -> None:
    """A package of a period is the same whether or not the stream goes on."""
    for name, periods in (("long", PERIODS), ("short", 5)):
        walk(IncrementalUpdate, tmp_path / name, data_of(GrowingStream(ROWS * periods)), until=5)
    ours, theirs = (Store(tmp_path / name / "serving").path() for name in ("long", "short"))
    first, second = open_package(ours).manifest, open_package(theirs).manifest
    assert first.same_model(second)
    assert first.files == second.files


def test_histories_and_items_are_those_of_the_next_row(tmp_path: Path) -> None:
    source = DriftingStream(users=9, items=30, rows=200, categories=3)
    for folder, log in {"memory": source.read(None), "disk": on_disk(source, tmp_path)}.items():
        so_far = SoFar(log, HISTORY)
        for end in (50, 51, 120):
            so_far.read(end)
        users, positive = log.known(120)[0], log.label[:120] > 0
        items, offsets = so_far.history(users)
        seen, places = so_far.seen(users)
        for user in range(users):
            own = log.item[:120][(log.user[:120] == user) & positive].tolist()
            assert items[offsets[user] : offsets[user + 1]].tolist() == own[::-1][:HISTORY], folder
            assert seen[places[user] : places[user + 1]].tolist() == sorted(set(own))


def on_disk(source: DriftingStream, folder: Path) -> InteractionLog:
    writer = StreamWriter(folder / "stream", carry=HISTORY)
    rows = pl.concat(source.chunks())
    for begin in range(0, len(rows), 70):
        writer.append(rows[begin : begin + 70], source.catalogue())
    return Stream().read(folder / "stream")


def test_a_package_of_a_stream_on_disk_is_that_of_the_same_rows_in_memory(tmp_path: Path) -> None:
    source = DriftingStream(users=20, items=30, rows=ROWS * PERIODS, categories=3)
    on_disk(source, tmp_path)
    walk(IncrementalUpdate, tmp_path / "memory", data_of(source), until=4)
    walk(IncrementalUpdate, tmp_path / "disk", data_of(Stream(), tmp_path / "stream"), until=4)
    first, second = (open_package(Store(tmp_path / name / "serving").path()).manifest for name in ("memory", "disk"))
    assert first.files == second.files


@pytest.mark.slow
def test_a_killed_and_resumed_walk_writes_the_packages_of_the_whole_one(tmp_path: Path) -> None:
    keeping = [ServingExport(keep=-1), PhaseCheckpoint(keep=-1)]
    walk(IncrementalUpdate, tmp_path / "whole", until=6, callbacks=keeping)
    walk(IncrementalUpdate, tmp_path / "parts", until=4)
    walk(IncrementalUpdate, tmp_path / "parts", until=6, resume=True)
    stores = [Store(tmp_path / name / "serving") for name in ("whole", "parts")]
    assert stores[0].versions() == stores[1].versions() == [f"after-period-{n:06d}" for n in range(2, 7)]
    for name in stores[0].versions():
        assert open_package(stores[0].path(name)).manifest.same_model(open_package(stores[1].path(name)).manifest)


def test_the_newest_packages_are_kept_and_tell_what_they_were_made_of(tmp_path: Path) -> None:
    done = walk(METHODS["guarded and headed"], tmp_path, callbacks=[ServingExport(keep=2)])
    store = Store(tmp_path / "serving")
    assert store.versions() == ["after-period-000005", "after-period-000006"]
    assert store.current() == "after-period-000006"
    manifest = open_package(Store(tmp_path / "serving").path()).manifest
    told, log = manifest.provenance, done.data.log
    assert (told["period"], told["rows"], told["until"]) == (6, 6 * ROWS, int(log.time[6 * ROWS - 1]))
    assert told["fingerprint"] == log.fingerprint(6 * ROWS)
    assert [each["period"] for each in told["scores"]] == [3, 4, 5, 6]
    assert manifest.choice is not None
    assert manifest.choice["served"] == done.updater.choice().served  # type: ignore[union-attr]
    assert manifest.context == ("device",)


def test_a_walk_in_the_middle_of_a_period_has_no_package(tmp_path: Path) -> None:
    done = walk(IncrementalUpdate, tmp_path, until=3, callbacks=[])
    done.updater.place.phase = 1
    with pytest.raises(ConfigError, match="before its end"):
        write_package(done.updater, done.data, tmp_path / "package")


class Unnamed(Source):
    """A log whose names nobody knows."""

    def read(self, root: Path | None) -> InteractionLog:
        log = DriftingStream(users=20, items=30, rows=ROWS * PERIODS).read(None)
        return InteractionLog(log.parts, log.categories, log.sizes)


def test_a_stream_that_does_not_know_its_names_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names of its users"):
        walk(IncrementalUpdate, tmp_path, data_of(Unnamed()), until=3)


def test_a_model_that_no_package_can_name_is_refused_before_the_walk(tmp_path: Path) -> None:
    class Local(MatrixFactorization):
        """Defined where nobody can import it."""

    with pytest.raises(ConfigError, match="within a function"):
        walk(partial(IncrementalUpdate, recommender=Local), tmp_path)
    assert not (tmp_path / "metrics.csv").exists()


def test_a_stream_without_rows_before_its_first_period_and_one_with_them_are_packaged(tmp_path: Path) -> None:
    data = PeriodDataModule(DriftingStream(users=20, items=30, rows=200), periods=EqualCounts(4), history_size=3)
    walk(IncrementalUpdate, tmp_path, data, until=4)
    assert open_package(Store(tmp_path / "serving").path()).history.items.size
