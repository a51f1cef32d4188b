"""A model with a head for each further label."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from asmg_pl.data import Sizes
from asmg_pl.recommenders import DeepFM, LabelHeads, TwoTower
from asmg_pl.serving import load, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.testing.samples import sample_batch

SIZES = Sizes(users=20, items=30, categories=4, labels=("buy", "dwell"))


def test_heads_share_the_tables_and_have_dense_parameters_of_their_own() -> None:
    alone, headed = DeepFM(SIZES), LabelHeads(SIZES, DeepFM)
    assert {name: len(table) for name, table in headed.table_parameters().items()} == {
        name: len(table) for name, table in alone.table_parameters().items()
    }
    count = sum(each.numel() for each in alone.dense_parameters().values())
    assert sum(each.numel() for each in headed.dense_parameters().values()) == 3 * count


def test_its_logits_are_those_of_the_model_within() -> None:
    headed, alone, batch = LabelHeads(SIZES, TwoTower), TwoTower(SIZES), sample_batch(SIZES)
    alone.load_state_dict(
        headed.model.state_dict() | {f"tables.{n}.weight": w for n, w in headed.table_parameters().items()}
    )
    with torch.no_grad():
        torch.testing.assert_close(headed(batch), alone(batch))


def test_a_package_of_it_answers_with_the_label(tmp_path: Path) -> None:
    write(drawn_contents(partial(LabelHeads, recommender=TwoTower), SIZES), tmp_path / "package")
    found = load(tmp_path / "package").recommend("user-1", 3)
    assert len(found) == 3
