"""Names that are asked for again and again are looked up once, or before anybody asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from serving.scorers import contents, same, scorer_of

from asmg_pl.data import Sizes
from asmg_pl.serving.ids import Ids, Name
from asmg_pl.serving.ranking import best
from asmg_pl.serving.remembered import Remembered


@pytest.mark.parametrize("strings", [True, False])
def test_a_prepared_scorer_looks_no_known_item_up_again_and_answers_the_same(
    strings: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = contents("mf", Sizes(20, 300), strings=strings)
    scorer = scorer_of(made, tmp_path)
    items = [made.names["item"][number] for number in (7, 0, 299, 7)]
    before = scorer.score(made.names["user"][2], items)
    asked: list[Any] = []
    find = Ids.find

    def heard(self: Ids, names: Any) -> np.ndarray:
        asked.extend(names)
        return find(self, names)

    monkeypatch.setattr(Ids, "find", heard)
    scorer = scorer_of(made, tmp_path / "prepared")
    scorer.prepare()
    same(scorer.score(made.names["user"][2], items), torch.from_numpy(before.logits))
    assert not asked
    assert scorer.score(made.names["user"][2], [*items, 5 if strings else "x"]).unknown.items
    assert asked == [5 if strings else "x"]


def test_the_most_popular_names_are_kept_and_leave_room_for_others(tmp_path: Path) -> None:
    scorer = scorer_of(contents("mf", Sizes(20, 300)), tmp_path)
    ids = scorer.package.ids("item")
    remembered = Remembered(ids, most=40)
    popular = best(torch.from_numpy(np.array(scorer.package.popularity)), remembered.room).tolist()
    remembered.keep(popular)
    assert len(popular) == 20
    assert sorted(scorer.package.popularity[popular])[0] >= np.sort(scorer.package.popularity)[-20]
    every: list[Name] = [f"item-{number}" for number in range(300)]
    for start in range(0, 300, 15):  # it forgets all of them once they are too many, and finds them again
        assert remembered.find(every[start : start + 15]).tolist() == list(range(start, start + 15))
    assert remembered.find(every).tolist() == ids.find(every).tolist()


def test_the_names_of_ids_come_in_their_order(tmp_path: Path) -> None:
    for strings in (True, False):
        made = contents("mf", Sizes(20, 300), strings=strings)
        ids = scorer_of(made, tmp_path / str(strings)).package.ids("item")
        numbers = [299, 0, 7, 7]
        assert ids.names(numbers) == [made.names["item"][number] for number in numbers]
        assert ids.names(iter([])) == []
