"""The scorer: raw names in, the model's own scores out, and what is unknown is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes
from asmg_pl.errors import PackageError, RequestError
from asmg_pl.recommenders import (
    DIN,
    DeepFM,
    EmbeddingMLP,
    GRU4Rec,
    Hashed,
    Lookup,
    MatrixFactorization,
    Recommender,
    SASRec,
    TwoTower,
)
from asmg_pl.recommenders.pooling import history_share, items_of
from asmg_pl.serving import Contents, Scorer, Scores, Store, load, open_package, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.headed import HeadNumbers
from asmg_pl.serving.sided import Expanded

SIZES = Sizes(users=20, items=300, categories=4, context=(3, 2))
HISTORY = 6
ALLOW = [f"{__name__}."]


class Attentive(Recommender):
    """A recommender without sides: the item weighs the history that it is compared with."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({"user": nn.Embedding(sizes.users, 4), "item": nn.Embedding(sizes.items, 4)})

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        return {"user": batch.user, "item": items_of(batch)}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        item, past = lookups["item"].columns(0).vectors(), lookups["item"].columns(slice(1, None))
        pooled = past.weighted_sum(history_share(batch))
        pooled *= (pooled * item).sum(-1, keepdim=True)  # in place, as anyone may write it
        return ((lookups["user"].vectors() + pooled) * item).sum(-1)


MODELS: dict[str, Callable[[Sizes], Recommender]] = {
    "mlp": EmbeddingMLP,
    "one layer": partial(EmbeddingMLP, hidden=[]),
    "deep_fm": DeepFM,
    "two_tower": TwoTower,
    "mf": MatrixFactorization,
    "din": DIN,
    "sasrec": SASRec,
    "gru4rec": GRU4Rec,
    "hashed": partial(Hashed, recommender=partial(DeepFM, embedding_dim=4), users=7, items=13),
    "own": Attentive,
    "own, hashed": partial(Hashed, recommender=Attentive, items=13),
}


def contents(name: str = "mlp", sizes: Sizes = SIZES, strings: bool = True, head: bool = False) -> Contents:
    made = drawn_contents(MODELS[name], sizes, HISTORY, strings)
    if not head:
        return made
    draw = torch.Generator().manual_seed(3)
    other = drawn_contents(MODELS[name], sizes, HISTORY, strings, seed=1)
    users, items = (
        torch.rand(count, 6, generator=draw).cumsum(1).flip(1) * 4 for count in (sizes.users, sizes.items - 9)
    )
    features = 1 + 2 + 12
    bounds = torch.stack([torch.full((features,), -0.6), torch.full((features,), 1.5)])
    numbers = HeadNumbers(users, items, torch.randn(features, generator=draw), bounds, share=0.3, period=9)
    models = {"incremental": made.models["serving"], "generated": other.models["serving"]}
    return replace(made, models=models, head=numbers)


def state_of(made: Contents) -> dict[str, Any]:
    """The parameters of the package's model."""
    return dict(made.models["serving"])


def scorer_of(made: Contents, folder: Path) -> Scorer:
    write(made, folder / "package")
    return load(folder / "package", allow=ALLOW)


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return scorer_of(contents(), tmp_path)


def rows_of(scorer: Scorer, user: int, items: list[int], history: list[int], context: tuple[int, ...]) -> Batch:
    """Whole rows, each with the user's history."""
    count = len(items)
    past = torch.zeros(count, HISTORY, dtype=torch.int64)
    past[:, : len(history)] = torch.tensor(history, dtype=torch.int64)
    found = scorer.package.catalogue
    return Batch(
        *(torch.full((count,), user), torch.tensor(items), past, torch.full((count,), len(history))),
        *(torch.zeros(count), None if found is None else found.long()),
        torch.tensor([context] * count) if context else None,
    )


def same(found: Scores, logits: Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(found.logits), logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.from_numpy(found.scores), logits.sigmoid(), atol=1e-5, rtol=0)


CASES = [
    *((name, SIZES, True, False) for name in MODELS),
    *((name, Sizes(20, 300), False, False) for name in MODELS),
    *((name, SIZES, True, True) for name in ("mlp", "two_tower", "own")),
    ("mlp", Sizes(20, 40, context=(3,)), False, True),
]


@pytest.mark.parametrize(("name", "sizes", "strings", "head"), CASES)
def test_scores_are_those_of_the_model_on_whole_rows(
    name: str, sizes: Sizes, strings: bool, head: bool, tmp_path: Path
) -> None:
    made = contents(name, sizes, strings, head)
    scorer = scorer_of(made, tmp_path)
    served, names = scorer.package.served(), made.names
    last = sizes.items
    items, unknown_item = [3, 0, 7, 3, last, 39], "x" if strings else 5
    asked = [unknown_item if item == last else names["item"][item] for item in items]
    given = [9, 9, 1]
    for user in (0, 1, sizes.users - 1, sizes.users):
        name_of_user = (names["user"][user] if user < sizes.users else "nobody") if strings else 1000 + user
        stored = made.history.of(user).tolist() if user < sizes.users else []
        values = tuple(min(user, count) for count in sizes.context)
        context: dict[str, Any] = {
            each: names[f"context-{number}"][values[number]] if values[number] < count else None
            for number, (each, count) in enumerate(zip(made.context, sizes.context, strict=True))
        }
        with torch.no_grad():
            for history, ids in ((None, stored), ([names["item"][item] for item in given], given), ([], [])):
                expected = served(rows_of(scorer, user, items, ids, values))
                found = scorer.score(name_of_user, asked, history=history, context=context)
                same(found, expected)
        assert found.unknown.user == (user == sizes.users)
        assert found.unknown.items == (unknown_item,)
        assert found.unknown.context == tuple(each for each, value in context.items() if value is None)
    before = found.logits
    scorer.prepare()
    np.testing.assert_allclose(scorer.score(name_of_user, asked, [], context).logits, before, atol=1e-5)


@pytest.mark.parametrize(("name", "head"), [(name, False) for name in MODELS] + [("mlp", True)])
def test_the_best_of_all_items_are_those_with_the_highest_scores_that_the_user_does_not_have(
    name: str, head: bool, tmp_path: Path
) -> None:
    made = contents(name, head=head)
    scorer = scorer_of(made, tmp_path)
    every = list(made.names["item"])
    for user in (1, 2):
        who, context = made.names["user"][user], {"context-0": "context-0-1", "context-1": "context-1-0"}
        scores = dict(zip(every, scorer.score(who, every, context=context).logits.tolist(), strict=True))
        seen = {every[item] for item in made.seen.of(user)}
        found = scorer.recommend(who, 10, context=context)
        assert not seen & set(found.items)
        best = sorted((score for item, score in scores.items() if item not in seen), reverse=True)[:10]
        np.testing.assert_allclose(found.logits, best, atol=1e-5)
        np.testing.assert_allclose([scores[item] for item in found.items], found.logits, atol=1e-5)
        with_seen = scorer.recommend(who, 300, exclude_seen=False, context=context)
        assert set(with_seen.items) == set(every)
        assert found.by == with_seen.by == "score"


def test_equally_good_items_stand_in_their_order(tmp_path: Path) -> None:
    made = contents("mf", Sizes(20, 300))
    state = {name: torch.zeros_like(values) for name, values in state_of(made).items()}
    scorer = scorer_of(replace(made, models={"serving": state}), tmp_path)
    fresh = [item for item in range(300) if item not in made.seen.of(3)]
    assert scorer.recommend("user-3", 7).items == [f"item-{item}" for item in fresh[:7]]
    chosen = [f"item-{item}" for item in (9, 4, 200, 4)]
    assert scorer.recommend("user-0", 7, candidates=chosen).items == ["item-9", "item-4", "item-200"]


def test_candidates_are_ranked_once_each_without_what_the_user_has(scorer: Scorer) -> None:
    names = [f"item-{item}" for item in scorer.package.seen.of(4)]
    asked = [*names, "item-200", "new", "item-201", "newer", "new", "item-200"]
    found = scorer.recommend("user-4", 9, candidates=asked)
    assert sorted(found.items) == ["item-200", "item-201", "new", "newer"]
    assert list(found.logits) == sorted(found.logits, reverse=True)
    assert found.unknown.items == ("new", "newer")
    assert set(scorer.recommend("user-4", 99, candidates=asked, exclude_seen=False).items) == set(asked)
    assert scorer.recommend("user-4", 1, candidates=asked).items == found.items[:1]
    assert scorer.recommend("user-4", 9, candidates=names).items == []


def test_a_given_history_takes_the_place_of_the_stored_one_and_is_not_recommended(scorer: Scorer) -> None:
    stored = [f"item-{item}" for item in scorer.package.history.of(5)]
    items = ["item-1", "item-2"]
    same(scorer.score("user-5", items, history=stored), torch.from_numpy(scorer.score("user-5", items).logits))
    given = [f"item-{number}" for number in range(20, 20 + 3 * HISTORY)]
    longer, latest = (scorer.score("user-5", items, history=each).logits for each in (given, given[:HISTORY]))
    np.testing.assert_array_equal(longer, latest)
    found = scorer.recommend("user-5", 300, history=given)
    assert not {*given, *(f"item-{item}" for item in scorer.package.seen.of(5))} & set(found.items)
    only = scorer.recommend("user-5", 9, candidates=["brand-new", "item-50"], history=["brand-new"])
    assert only.items == ["item-50"]
    assert only.unknown.history == ("brand-new",)


def test_unknown_items_of_a_history_are_left_out_and_told(scorer: Scorer) -> None:
    known = scorer.score("user-1", ["item-1"], history=["item-4", "item-5"])
    found = scorer.score("user-1", ["item-1"], history=["x", "item-4", "y", "item-5", "x"])
    np.testing.assert_array_equal(found.logits, known.logits)
    assert found.unknown.history == ("x", "y")
    assert found.unknown.words().startswith(
        "context features without a known value, scored with a new one: 'context-0'"
    )
    assert "unknown items of the history, left out: 'x', 'y'" in found.unknown.words()


def test_unknown_ids_are_scored_with_the_mean_of_the_known_rows(tmp_path: Path) -> None:
    made = contents("mf", Sizes(20, 300))
    scorer = scorer_of(made, tmp_path)
    user, item = (state_of(made)[f"tables.{name}.weight"] for name in ("user", "item"))
    for name, row in (("user-2", user[2]), ("nobody", user.mean(0))):
        found = scorer.score(name, ["item-3", "nothing"])
        for logit, other in zip(found.logits, (item[3], item.mean(0)), strict=True):
            assert logit == pytest.approx(float(row[:-1] @ other[:-1] + row[-1] + other[-1]), abs=1e-5)


def test_ids_without_a_row_of_their_own_are_told_as_unknown_and_keep_all_else_that_is_theirs(tmp_path: Path) -> None:
    made = contents()
    shared = {"user": np.arange(SIZES.users) == 3, "item": np.arange(SIZES.items) % 2 == 1}
    scorer = scorer_of(replace(made, shared=shared), tmp_path / "shared")
    plain = scorer_of(made, tmp_path / "plain")
    user, odd, even = made.names["user"][3], made.names["item"][7], made.names["item"][8]
    found = scorer.score(user, [even, odd, odd, "nobody"], history=[odd])
    assert (found.unknown.user, found.unknown.items, found.unknown.history) == (True, (odd, "nobody"), ())
    np.testing.assert_array_equal(found.logits, plain.score(user, [even, odd, odd, "nobody"], history=[odd]).logits)
    best = scorer.recommend(user, 20)
    assert (best.by, best.items) == ("score", plain.recommend(user, 20).items)
    assert best.unknown.items == tuple(
        item for item in best.items if shared["item"][list(made.names["item"]).index(item)]
    )
    assert scorer.recommend(user, 3, candidates=[odd, odd, even], exclude_seen=False).items.count(odd) == 1
    assert not scorer.score(made.names["user"][4], [even]).unknown.items


def test_an_unknown_user_without_a_history_gets_the_most_popular_items(scorer: Scorer) -> None:
    popular = np.argsort(-scorer.package.popularity, kind="stable")
    for history in (None, [], ["unheard-of"]):
        found = scorer.recommend("nobody", 5, history=history)
        assert found.items == [f"item-{item}" for item in popular[:5]]
        assert found.by == "popularity"
        assert found.unknown.user
        same(found, torch.from_numpy(scorer.score("nobody", found.items).logits))
    chosen = ["unheard-of", f"item-{popular[7]}", f"item-{popular[2]}"]
    assert scorer.recommend("nobody", 5, candidates=chosen).items == chosen[::-1]
    left = scorer.recommend("nobody", 2, history=[f"item-{popular[0]}"])
    assert left.by == "score"
    assert f"item-{popular[0]}" not in left.items


def test_the_user_s_history_is_pooled_once_for_all_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooled: list[tuple[int, int]] = []
    plain = Lookup.weighted_sum

    def heard(self: Lookup, weights: Tensor) -> Tensor:
        pooled.append((len(self.index), self.index[0].numel()))
        return plain(self, weights)

    monkeypatch.setattr(Lookup, "weighted_sum", heard)
    for name in MODELS:
        scorer = scorer_of(contents(name), tmp_path / name)
        for candidates in ([f"item-{item}" for item in range(100)], None):
            pooled.clear()
            scorer.score("user-3", candidates) if candidates else scorer.recommend("user-3", 5)
            assert all(rows == 1 for rows, ids in pooled if ids >= HISTORY), name


def test_several_users_are_answered_as_each_of_them_alone(scorer: Scorer) -> None:
    users = ["user-3", "nobody", "user-0", "user-3"]
    items = [["item-1"], ["item-2", "item-3"], ["x"], ["item-9", "item-1"]]
    histories: list[Any] = [None, ["item-7"], [], ["item-8", "item-8"]]
    contexts: list[Any] = [{"context-0": "context-0-2"}, None, {}, None]
    together = scorer.score_users(users, items, histories, contexts)
    for found, user, asked, history, context in zip(together, users, items, histories, contexts, strict=True):
        alone = scorer.score(user, asked, history, context)
        same(found, torch.from_numpy(alone.logits))
        assert (found.items, found.unknown) == (alone.items, alone.unknown)
    for candidates in (None, [None, ["item-5", "y"], None, ["item-4"]]):
        best = scorer.recommend_users(users, 3, candidates, histories=histories, contexts=contexts)
        for place, found in enumerate(best):
            chosen = None if candidates is None else candidates[place]
            alone = scorer.recommend(users[place], 3, chosen, history=histories[place], context=contexts[place])
            assert (found.items, found.unknown, found.by) == (alone.items, alone.unknown, alone.by)
    assert scorer.score_users([], []) == scorer.recommend_users([], 3) == []


def test_integers_are_asked_for_as_lists_and_as_arrays_and_strings_that_spell_them(tmp_path: Path) -> None:
    scorer = scorer_of(contents("mf", Sizes(20, 300), strings=False), tmp_path)
    expected = scorer.score(1003, [1005, 1007, 4, 2**70])
    assert expected.unknown.items == (4, 2**70)
    spellings: list[tuple[Any, Any]] = [
        (np.int64(1003), np.array([1005, 1007, 4], np.int32)),
        ("1003", ["1005", 1007, np.int64(4)]),
        (1003, (1005, 1007, 4)),
    ]
    for user, items in spellings:
        found = scorer.score(user, items)
        np.testing.assert_array_equal(found.logits, expected.logits[:3])
        assert not found.unknown.user
    two: Any = np.int64(2)
    assert scorer.recommend(1003, two).items == scorer.recommend(1003, 2).items
    assert all(type(item) is int for item in scorer.recommend(1003, 2).items)


BAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no items": (lambda s: s.score("user-1", []), "items is empty: give at least one item"),
    "no candidates": (lambda s: s.recommend("user-1", 3, candidates=[]), "candidates is empty"),
    "one item": (lambda s: s.score("user-1", "item-1"), "items is 'item-1': give a list"),
    "a number": (lambda s: s.score("user-1", 5), "items is 5: give a list"),
    "a table": (lambda s: s.score("user-1", np.zeros((2, 2), int)), r"one of items is \[0, 0\], a list"),
    "a decimal": (lambda s: s.score("user-1", [1.5]), "one of items is 1.5, a float: give an integer or a string"),
    "a truth": (lambda s: s.score("user-1", ["item-1", True]), "one of items is True, a bool"),
    "nothing": (lambda s: s.score("user-1", [None]), "one of items is None, a NoneType"),
    "no user": (lambda s: s.score(None, ["item-1"]), "user is None, a NoneType"),
    "a list of users": (lambda s: s.recommend(["user-1"], 3), r"user is \['user-1'\], a list"),
    "a history": (lambda s: s.score("user-1", ["item-1"], history="item-2"), "history is 'item-2': give a list"),
    "in a history": (lambda s: s.score("user-1", ["item-1"], history=[0.5]), "one of history is 0.5, a float"),
    "k 0": (lambda s: s.recommend("user-1", 0), "k is 0: give a whole number of at least 1"),
    "k -1": (lambda s: s.recommend("user-1", -1), "k is -1"),
    "k 2.5": (lambda s: s.recommend("user-1", 2.5), "k is 2.5"),
    "k True": (lambda s: s.recommend("user-1", True), "k is True"),
    "context": (lambda s: s.score("user-1", ["item-1"], context="a"), "context is a str: give a value for each name"),
    "context name": (
        lambda s: s.score("user-1", ["item-1"], context={"hour": 3}),
        "context names 'hour', which is no context feature of the package: it has context-0, context-1",
    ),
    "context value": (
        lambda s: s.score("user-1", ["item-1"], context={"context-0": [1]}),
        r"context\['context-0'\] is \[1\], a list",
    ),
    "lengths": (
        lambda s: s.score_users(["a", "b"], [["c"]]),
        r"items_of_each is .*: give a list with one entry for each",
    ),
    "lengths of histories": (lambda s: s.recommend_users(["a"], 3, histories=[]), "histories is"),
    "users": (lambda s: s.recommend_users("ab", 3), "users is 'ab'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_answered_is_refused_with_the_mend(case: str, scorer: Scorer) -> None:
    ask, message = BAD[case]
    with pytest.raises(RequestError, match=message):
        ask(scorer)


def test_a_package_without_context_features_says_so(tmp_path: Path) -> None:
    scorer = scorer_of(contents("mf", Sizes(20, 300)), tmp_path)
    with pytest.raises(RequestError, match="it has none: leave context out"):
        scorer.score("user-1", ["item-1"], context={"hour": 3})


def test_a_number_that_is_no_score_is_never_given(tmp_path: Path) -> None:
    made = contents("mf", Sizes(20, 300))
    state = state_of(made)
    state["tables.item.weight"] = state["tables.item.weight"].clone()
    state["tables.item.weight"][7] = torch.nan
    scorer = scorer_of(replace(made, models={"serving": state}), tmp_path)
    with pytest.raises(PackageError, match="scores that are not finite"):
        scorer.score("user-1", ["item-7"])
    with pytest.raises(PackageError, match="scores that are not finite"):
        scorer.recommend("user-1", 3)
    assert np.isfinite(scorer.score("user-1", ["item-8"]).logits).all()


def test_a_package_or_the_version_of_a_store_that_serves_is_loaded(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for period in (1, 2):
        made = drawn_contents(MatrixFactorization, seed=period)
        store.publish(store.add(period, partial(write, made)))
    assert load(tmp_path / "store").version == "after-period-000002"
    assert load(store.path("after-period-000001")).version == "after-period-000001"
    store.rollback()
    assert load(str(tmp_path / "store")).version == "after-period-000001"
    with pytest.raises(PackageError, match="has no version that serves"):
        load(tmp_path / "elsewhere")
    (store.path() / "popularity.npy").write_bytes(b"")
    with pytest.raises(PackageError, match=r"popularity\.npy has 0 bytes instead of"):
        load(store.folder)


def test_a_class_of_one_s_own_is_scored_once_it_is_allowed(tmp_path: Path) -> None:
    write(contents("own"), tmp_path / "package")
    with pytest.raises(PackageError, match=r"allow=\[…\] in Python"):
        load(tmp_path / "package")
    scorer = load(tmp_path / "package", allow=[f"{__name__}.Attentive"])
    assert isinstance(scorer._model, Expanded)
    assert len(scorer.recommend("user-1", 3)) == 3


def test_threads_may_share_a_scorer_from_its_first_request_on(scorer: Scorer) -> None:
    alone = {user: load(scorer.package.folder).recommend(f"user-{user}", 5) for user in range(20)}
    with ThreadPoolExecutor(4) as pool:
        for user, found in enumerate(pool.map(lambda user: scorer.recommend(f"user-{user}", 5), range(20))):
            assert found.items == alone[user].items


def test_a_version_is_answered_from_although_its_folder_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    names = [store.add(period, partial(write, contents())) for period in (1, 2)]
    store.publish(names[0])
    scorer, same_one = (Scorer(open_package(store.path(names[0]))) for _ in range(2))
    store.publish(names[-1])
    expected = same_one.recommend("user-3", 5)
    store.remove([names[0]])
    found = scorer.recommend("user-3", 5)
    assert found.items == expected.items
    same(scorer.score("user-4", ["item-250"]), torch.from_numpy(same_one.score("user-4", ["item-250"]).logits))
