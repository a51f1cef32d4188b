"""The scorer: raw names in, the model's own scores out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from serving.scorers import HISTORY, MODELS, SIZES, Attentive, contents, rows_of, same, scorer_of, state_of
from torch import Tensor

from asmg_pl.data import Sizes
from asmg_pl.errors import PackageError, RequestError
from asmg_pl.recommenders import Lookup, MatrixFactorization
from asmg_pl.serving import Scorer, Store, load, open_package, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.sided import Expanded

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
        r"context\.context-0 is \[1\], a list: give an integer or a string",
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
    (store.folder / "current").write_text("after-period-000009\n")
    with pytest.raises(PackageError, match=r"no version 'after-period-000009', which current .* --to VERSION"):
        load(store.folder)
    (store.folder / "current").write_text("after-period-000001\n")
    (store.path() / "popularity.npy").write_bytes(b"")
    with pytest.raises(PackageError, match=r"popularity\.npy has 0 bytes instead of"):
        load(store.folder)


def test_a_class_of_one_s_own_is_scored_once_it_is_allowed(tmp_path: Path) -> None:
    write(contents("own"), tmp_path / "package")
    with pytest.raises(PackageError, match=r"allow=\[…\] in Python"):
        load(tmp_path / "package")
    scorer = load(tmp_path / "package", allow=[f"{Attentive.__module__}.Attentive"])
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
