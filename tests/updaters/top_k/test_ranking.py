"""Lists of items along a walk, against a plain computation from the stream and copies of the models."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data.featured import FEATURES, featured_rows
from data.passes import clicks
from torch import Tensor, nn

import asmg_pl
from asmg_pl.data import Batch, EqualCounts, EqualRows, Features, InteractionLog, PeriodDataModule, Sizes
from asmg_pl.data.so_far import DECAY
from asmg_pl.data.sources import DriftingStream, Source
from asmg_pl.errors import ConfigError
from asmg_pl.metrics import TopK
from asmg_pl.recommenders import (
    DCNv2,
    DeepFM,
    EmbeddingMLP,
    Hashed,
    Lookup,
    MatrixFactorization,
    Recommender,
    TwoTower,
)
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, PrequentialHead, Updater
from asmg_pl.updaters.top_k.ranking import PeriodRanking

PERIODS, PRETRAINED = 7, 2
SHORT: dict[str, Any] = {"pretrain_periods": PRETRAINED, "pretrain_epochs": 1, "test_from": 5}


class Sum(Recommender):
    """A model without sides."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 3), "item": nn.Embedding(sizes.items, 3)})

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        return (lookups["user"].vectors() * lookups["item"].vectors()).sum(1)


class Constant(Sum):
    """A model that tells no items apart."""

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        return super().score(batch, lookups) * 0 + 0.25


class Remembering(IncrementalUpdate):
    """Keeps the models as they were when they ranked a period."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.kept: dict[int, nn.Module] = {}

    def ranked_models(self) -> Mapping[str, nn.Module]:
        models = super().ranked_models()
        if self.phase is not None:
            self.kept[self.phase.period] = copy.deepcopy(models["serving"])
        return models


def stream(rows: int = 1400) -> PeriodDataModule:
    source = DriftingStream(users=40, items=60, rows=rows, categories=4)
    return PeriodDataModule(source, periods=EqualCounts(PERIODS), batch_size=64, history_size=4, seed=3)


def walked(
    top_k: TopK, updater: Callable[..., Updater] = Remembering, data: PeriodDataModule | None = None, **more: Any
) -> Updater:
    data = stream() if data is None else data
    torch.manual_seed(3)
    made = updater(data.sizes, top_k=top_k, **{**SHORT, **more})
    asmg_pl.walk(made, data)
    return made


def seen_before(log: InteractionLog, row: int) -> set[int]:
    """The items of the positive rows of a row's user, at an earlier time."""
    earlier = (log.time < log.time[row]) & (log.user == log.user[row]) & (log.label > 0)
    return set(log.item[earlier].tolist())


def brute(
    log: InteractionLog, rows: range, scores: Callable[[int, list[int]], np.ndarray], top_k: TopK, known: int
) -> dict[str, float]:
    """The metrics of a period over all candidates, case by case; no two scores are equal."""
    places: list[tuple[int, float]] = []
    lists: list[list[int]] = []
    for row in rows:
        if not int(log.label[row]):
            continue
        item, barred = int(log.item[row]), seen_before(log, row) if top_k.exclude_seen else set()
        limit = known
        if top_k.appeared:
            limit = max([known, *(log.item[: len(log.time)][log.time < log.time[row]] + 1).tolist()])
        if item in barred:
            continue
        candidates = [i for i in range(limit) if i not in barred]
        found = scores(row, candidates)
        order = [candidates[place] for place in np.argsort(-found, kind="stable")]
        lists.append(order)
        places.append((int(log.user[row]), order.index(item) + 1 if item in order else math.inf))
    result: dict[str, float] = {}
    for k in top_k.at:
        hits = [(user, float(place <= k), place) for user, place in places]
        by_user: dict[int, list[float]] = {}
        for user, hit, _ in hits:
            by_user.setdefault(user, []).append(hit)
        result[f"hr_at_{k}"] = float(np.mean([hit for _, hit, _ in hits]))
        result[f"recall_at_{k}"] = float(np.mean([np.mean(each) for each in by_user.values()]))
        result[f"ndcg_at_{k}"] = float(np.mean([hit / math.log2(1 + place) if hit else 0 for _, hit, place in hits]))
        result[f"mrr_at_{k}"] = float(np.mean([hit / place if hit else 0 for _, hit, place in hits]))
        shown = {item for order in lists for item in order[:k]}
        result[f"coverage_at_{k}"] = len(shown) / limit if top_k.appeared else len(shown) / known
    return result


def by_rows(model: nn.Module, log: InteractionLog) -> Callable[[int, list[int]], np.ndarray]:
    """The scores of a whole forward pass over rows that differ in their items."""

    def scores(row: int, items: list[int]) -> np.ndarray:
        batch = log.batch(torch.full((len(items),), row), history_size=4)
        with torch.no_grad():
            return np.asarray(model(batch._replace(item=torch.tensor(items))).double())

    return scores


MODELS = [EmbeddingMLP, DeepFM, TwoTower, MatrixFactorization, partial(Hashed, items=17, recommender=TwoTower), Sum]


@pytest.mark.parametrize("model", MODELS[:4] + MODELS[5:], ids=lambda model: getattr(model, "__name__", "hashed"))
@pytest.mark.parametrize("options", [{}, {"exclude_seen": True}, {"appeared": True, "exclude_seen": True}])
def test_metrics_of_every_kind_of_model_are_those_of_whole_rows(model: Any, options: dict[str, bool]) -> None:
    top_k = TopK(at=[3, 8], rows=None, **options)
    data = stream()
    updater = walked(top_k, data=data, recommender=model)
    assert isinstance(updater, Remembering)
    for period in (PRETRAINED + 1, PERIODS):
        known = data.known_before(period)[1]
        scores = by_rows(updater.kept[period].eval(), data.log)
        found = updater.results[period].scores["serving"]
        expected = brute(data.log, data.rows_of(period), scores, top_k, known)
        if options.get("appeared"):  # the last case need not have the most candidates
            expected = {name: value for name, value in expected.items() if not name.startswith("coverage")}
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def popularity(log: InteractionLog, boundaries: list[int], period: int, items: int) -> np.ndarray:
    counts = np.zeros(items)
    for begin, end in pairwise(boundaries[:period]):
        counts *= DECAY
        clicked = log.item[begin:end][log.label[begin:end] > 0].tolist()
        for item, times in Counter(clicked).items():
            counts[item] += times
    return counts


def test_the_popularity_baseline_ranks_by_decayed_counts_and_shares_places_of_equal_ones() -> None:
    data, top_k = stream(), TopK(at=[3], rows=None)
    updater = walked(top_k, data=data)
    period = PERIODS
    counts = popularity(data.log, data.boundaries, period, data.known_before(period)[1])
    gains = []
    for row in data.rows_of(period):
        if int(data.log.label[row]):
            item = int(data.log.item[row])
            if item >= len(counts):
                gains.append(0.0)
                continue
            above, equal = int((counts > counts[item]).sum()), int((counts == counts[item]).sum())
            gains.append(sum(place <= 3 for place in range(above + 1, above + equal + 1)) / equal)
    assert updater.results[period].ranking["popularity"]["hr_at_3"] == pytest.approx(float(np.mean(gains)))
    assert updater.results[period].ranking["cases"]["ranked"] == len(gains)


def test_a_model_that_tells_no_items_apart_is_as_good_as_chance() -> None:
    data = stream()
    updater = walked(TopK(at=[6], rows=None), data=data, recommender=Constant)
    for period, result in updater.results.items():
        share = 1 - result.ranking["cases"]["unknown_item"]
        chance = 6 / data.known_before(period)[1]
        assert result.scores["serving"]["hr_at_6"] == pytest.approx(share * chance)


def test_ranking_changes_no_other_number_of_a_walk() -> None:
    with_lists, without = walked(TopK(at=[3])), walked(None)  # type: ignore[arg-type]
    for period, result in without.results.items():
        ours = with_lists.results[period].scores["serving"]
        assert {name: ours[name] for name in result.scores["serving"]} == pytest.approx(
            result.scores["serving"], nan_ok=True, abs=0
        )


class Beginning(Source):
    """The first rows of a stream."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def read(self, root: Path | None) -> InteractionLog:
        log = DriftingStream(users=40, items=60, rows=1400, categories=4).read(None)
        columns = {name: getattr(log, name).numpy() for name in ("user", "item", "label", "time")}
        return InteractionLog.from_frame(pl.DataFrame(columns).head(self.rows))


@pytest.mark.parametrize("options", [{"exclude_seen": True}, {"appeared": True}, {"candidates": 20}])
def test_later_rows_change_no_metric(options: dict[str, Any]) -> None:
    found = []
    for rows in (1400, 1000):
        cut = EqualRows(200)
        data = PeriodDataModule(Beginning(rows), periods=cut, batch_size=64, history_size=4, seed=3)
        found.append(walked(TopK(at=[3, 8], rows=60, **options), data=data).results)
    assert len(found[1]) == 3
    for period, result in found[1].items():
        assert str(result) == str(found[0][period])  # by their repr, nan is nan


def test_chunks_and_blocks_change_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    top_k = TopK(at=[3, 8], rows=None, exclude_seen=True)
    whole = walked(top_k).results
    monkeypatch.setattr("asmg_pl.updaters.top_k.ranking.CASES", 7)
    monkeypatch.setattr("asmg_pl.updaters.top_k.lists.ITEMS", 11)
    for period, result in walked(top_k).results.items():
        for model, scores in result.scores.items():
            assert scores == pytest.approx(whole[period].scores[model], nan_ok=True, abs=1e-9)
        assert {name: each["hr_at_3"] for name, each in result.ranking.items() if name != "cases"} == pytest.approx(
            {name: each["hr_at_3"] for name, each in whole[period].ranking.items() if name != "cases"}
        )


def test_a_draw_of_rows_is_the_same_for_all_methods_and_another_one_for_another_seed() -> None:
    top_k = TopK(at=[3], rows=40)
    plain, generated = walked(top_k), walked(top_k, updater=ASMG, window=1)
    other = stream()
    other.seed = 4
    another = walked(top_k, data=other)
    for period in plain.results:
        assert str(plain.results[period].ranking) == str(generated.results[period].ranking)
        assert str(plain.results[period].ranking) != str(another.results[period].ranking)
        assert plain.results[period].ranking["cases"]["ranked"] == 40


def test_sampled_candidates_have_a_mark_and_no_coverage() -> None:
    updater = walked(TopK(at=[3], candidates=20, rows=50))
    scores = updater.results[PERIODS].scores["serving"]
    ranked = [name for name in scores if "_at_" in name]
    assert len(ranked) == 4 * 5
    assert all(name.startswith("sampled_") for name in ranked)
    assert all(0 <= scores[name] <= 1 or math.isnan(scores[name]) for name in ranked)


def test_sampled_hits_are_about_those_of_as_many_candidates_by_chance() -> None:
    updater = walked(TopK(at=[5], candidates=40, rows=None), recommender=Constant)
    for result in updater.results.values():
        share = 1 - result.ranking["cases"]["unknown_item"]
        assert result.scores["serving"]["sampled_hr_at_5"] == pytest.approx(share * 5 / 41)


def test_each_scored_model_of_a_guard_has_lists_and_what_serves_those_of_the_chosen_one() -> None:
    updater = walked(TopK(at=[3]), updater=ASMG, window=1, head=PrequentialHead(periods=2))
    for result in updater.results.values():
        models = [name for name, scores in result.scores.items() if "hr_at_3" in scores]
        assert models == ["incremental", "generated", "serving"]
        if result.served in models:
            assert result.scores["serving"]["hr_at_3"] == result.scores[result.served]["hr_at_3"]


def test_a_head_ranks_as_it_scores(tmp_path: Path) -> None:
    data = stream()
    kept: dict[int, nn.Module] = {}

    class Headed(IncrementalUpdate):
        def ranked_models(self) -> Mapping[str, nn.Module]:
            models = super().ranked_models()
            if self.phase is not None:
                kept[self.phase.period] = copy.deepcopy(models["serving"])
            return models

    top_k = TopK(at=[3], rows=None)
    updater = walked(top_k, updater=Headed, data=data, head=PrequentialHead(periods=2))
    known = data.known_before(PERIODS)[1]
    expected = brute(data.log, data.rows_of(PERIODS), by_rows(kept[PERIODS], data.log), top_k, known)
    found = updater.results[PERIODS].scores["serving"]
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_a_transferred_model_has_lists_too() -> None:
    updater = walked(TopK(at=[3]), updater=SML, recommender=MatrixFactorization)
    assert all("hr_at_3" in result.scores["serving"] for result in updater.results.values())


class Broken(Sum):
    """Its scores of item 5 are no numbers in lists, where rows have no label 1 of it."""

    value = 0.0

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        many = len(batch.user) > 1 and bool((batch.user == batch.user[0]).all())
        return super().score(batch, lookups) + (self.value if many else 0.0)


def test_a_model_that_diverges_in_its_lists_alone_has_diverged() -> None:
    class Breaking(Broken):
        value = math.nan

    with pytest.raises(Exception, match="the scores of 'serving'"):
        walked(TopK(at=[3], rows=20), recommender=Breaking)


def test_a_model_that_is_no_recommender_is_refused_before_the_walk() -> None:
    class Odd(IncrementalUpdate):
        def scored_models(self) -> Mapping[str, Any]:
            return {"serving": nn.Linear(1, 1)}

    with pytest.raises(ConfigError, match=r"model.top_k: 'serving' is a Linear"):
        walked(TopK(at=[3]), updater=Odd)


def test_a_stream_of_positives_with_drawn_negatives_is_ranked_by_its_own_rows() -> None:
    data = clicks()
    torch.manual_seed(3)
    made = IncrementalUpdate(data.sizes, top_k=TopK(at=[3]), pretrain_periods=1, pretrain_epochs=1, test_from=2)
    asmg_pl.walk(made, data)
    cases = made.results[3].ranking["cases"]
    assert cases["ranked"] == 20
    assert cases["unknown_item"] == pytest.approx(18 / 20)  # the first two rows are of an item of the period before


def test_an_evaluation_of_a_period_has_the_metrics_of_the_walk(tmp_path: Path) -> None:
    top_k, data = TopK(at=[3], exclude_seen=True), stream()
    torch.manual_seed(3)
    made = IncrementalUpdate(data.sizes, top_k=top_k, **SHORT)
    walk = asmg_pl.walk(made, data, until=5)
    scored = walked(top_k, updater=IncrementalUpdate)
    data.evaluate = [6]
    walk.trainer.validate(made, datamodule=data, verbose=False)
    assert str(made.evaluation[6].scores) == str(scored.results[6].scores)
    assert str(made.evaluation[6].ranking) == str(scored.results[6].ranking)


class Rows(Source):
    """A frame's rows."""

    def __init__(self, rows: pl.DataFrame, features: Features) -> None:
        self.rows, self.features = rows, features

    def read(self, root: Path | None) -> InteractionLog:
        return InteractionLog.from_frame(self.rows, features=self.features)


class AtTimes(EqualRows):
    """Periods of 100 moments each."""

    def cut(self, log: InteractionLog, known: Sequence[int] = ()) -> list[int]:
        moments = torch.arange(0, int(log.time[-1]) + 2, self.rows)
        return torch.searchsorted(log.time, moments).tolist()


def ranking_of(rows: pl.DataFrame, features: Features, top_k: TopK, **options: Any) -> PeriodRanking:
    data = PeriodDataModule(Rows(rows, features), periods=AtTimes(100), history_size=2, seed=3, **options)
    return PeriodRanking(top_k, data)


def ranked(ranking: PeriodRanking, model: nn.Module, period: int = 4) -> dict[str, dict[str, float]]:
    found = ranking.rank(period, {"serving": model}, torch.device("cpu"), (0, 1))
    return found.beside | found.scores


def test_a_row_of_weight_2_counts_as_two_rows_in_lists_and_baselines_and_one_of_weight_0_as_none() -> None:
    random = np.random.default_rng(3)
    ids = {"user": random.integers(0, 12, 400), "item": random.integers(0, 25, 400)}
    rows = pl.DataFrame(ids | {"label": random.integers(0, 2, 400), "time": range(400)})
    times = random.integers(1, 4, 400)
    top_k = TopK(at=[3, 8], rows=None)
    weighs = ranking_of(rows.with_columns(w=times.astype(float)), Features(weight="w"), top_k)
    twice = ranking_of(rows[np.repeat(np.arange(400), times)], Features(), top_k)
    torch.manual_seed(3)
    model = Sum(weighs.data.sizes)
    found, expected = ranked(weighs, model), ranked(twice, model)
    assert expected["cases"].pop("ranked") > found["cases"].pop("ranked")
    for name in ("serving", "popularity", "last_item"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9, nan_ok=True)
    light = rows.with_columns(w=(pl.col("time") < 350).cast(pl.Float64))  # those of weight 0 stay known as ids
    of_light, cases = ranking_of(light, Features(weight="w"), top_k), rows[300:350]["label"].sum()
    assert ranked(of_light, model)["cases"]["ranked"] == cases


def as_item_stood(log: InteractionLog, item: int, begin: int, end: int) -> int:
    """The row with an item's features as of a period: its latest row before it, or its first row within."""
    before, within = (torch.nonzero(log.item[a:b] == item).flatten() + a for a, b in ((0, begin), (begin, end)))
    return int(before[-1]) if len(before) else int(within[0])


@pytest.mark.parametrize("appeared", [False, True])
@pytest.mark.parametrize("model", [EmbeddingMLP, DCNv2, TwoTower])  # with sides, without, and of dot products
def test_candidates_have_the_features_of_their_latest_row_before_the_period(model: Any, appeared: bool) -> None:
    rows = featured_rows(360).with_columns(time=pl.int_range(360))
    rows = rows.with_columns(item=pl.when(pl.col("time") > 320).then(pl.col("item") + 50).otherwise("item"))
    features = replace(FEATURES, weight=None, items=("price", "tags", "device"))
    top_k = TopK(at=[3, 8], rows=None, appeared=appeared)
    ranking = ranking_of(rows.drop("weight"), features, top_k)
    torch.manual_seed(3)
    log, data = ranking.data.log, ranking.data
    served = model(data.sizes).eval()
    begin, end = data.rows_of(3).start, data.rows_of(3).stop

    def scores(row: int, items: list[int]) -> np.ndarray:
        batch = log.batch(torch.full((len(items),), row), history_size=2)
        theirs = log.batch(torch.tensor([as_item_stood(log, item, begin, end) for item in items]), history_size=2)
        assert batch.numbers is not None
        assert theirs.numbers is not None
        numbers = batch.numbers.clone()
        numbers[:, 0] = theirs.numbers[:, 0]  # the price
        assert batch.lists is not None
        assert theirs.lists is not None
        lists = batch.lists.clone()
        lists[:, 0] = theirs.lists[:, 0]  # the tags
        assert batch.context is not None
        assert theirs.context is not None
        context = batch.context.clone()
        context[:, 0] = theirs.context[:, 0]  # the device
        made = batch._replace(item=torch.tensor(items), numbers=numbers, lists=lists, context=context)
        with torch.no_grad():
            return np.asarray(served(made).double())

    known = data.known_before(3)[1]
    expected = brute(log, data.rows_of(3), scores, top_k, known)
    found = ranked(ranking, served, period=3)["serving"]
    expected = {name: value for name, value in expected.items() if not (appeared and name.startswith("coverage"))}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_features_of_items_in_later_rows_change_no_list() -> None:
    rows = featured_rows(400).with_columns(time=pl.int_range(400))
    later = rows.with_columns(price=pl.when(pl.col("time") < 300).then("price").otherwise(9.0))
    found = []
    for each in (rows, later):
        ranking = ranking_of(each, FEATURES, TopK(at=[3], rows=None))
        torch.manual_seed(3)
        found.append(ranked(ranking, EmbeddingMLP(ranking.data.sizes).eval()))
    assert repr(found[0]) == repr(found[1])  # by their repr, nan is nan
