"""What is unknown to a package is told, and scored by a rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from serving.scorers import SIZES, contents, same, scorer_of, state_of
from serving.small import share_rows

from asmg_pl.data import Sizes
from asmg_pl.serving import Scorer, load


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
    scorer_of(made, tmp_path / "shared")
    share_rows(tmp_path / "shared" / "package", shared)
    scorer = load(tmp_path / "shared" / "package")
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
