"""Lists of items along a walk, against a plain computation from the stream and copies of the models."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from data.passes import clicks
from torch import Tensor, nn
from updaters.top_k.brute import Sum, brute

import asmg_pl
from asmg_pl.data import Batch, EqualCounts, EqualRows, InteractionLog, PeriodDataModule
from asmg_pl.data.so_far import DECAY
from asmg_pl.data.sources import DriftingStream, Source
from asmg_pl.errors import ConfigError
from asmg_pl.metrics import TopK
from asmg_pl.recommenders import (
    DeepFM,
    EmbeddingMLP,
    Hashed,
    Lookup,
    MatrixFactorization,
    TwoTower,
)
from asmg_pl.updaters import ASMG, SML, IncrementalUpdate, PrequentialHead, Updater

PERIODS, PRETRAINED = 7, 2
SHORT: dict[str, Any] = {"pretrain_periods": PRETRAINED, "pretrain_epochs": 1, "test_from": 5}


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
