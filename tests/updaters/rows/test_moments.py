"""Walks on streams with numbers, multi-valued features and weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from data.featured import FEATURES, featured_rows
from torch import Tensor

from asmg_pl.data import Features, InteractionLog
from asmg_pl.data.sources import Source
from asmg_pl.recommenders import DLRM, DCNv2, DeepFM, EmbeddingMLP, Hashed, TwoTower
from asmg_pl.recommenders.numbers import Numbers
from asmg_pl.testing.rules import Rules
from asmg_pl.testing.walks import ROWS, Listener, short_walk
from asmg_pl.updaters import ASMG, EWC, SML, Frozen, IncCTR, IncrementalUpdate, Updater

SHORT: dict[str, Any] = {"pretrain_periods": 2, "pretrain_epochs": 1, "test_from": 5, "learning_rate": 0.01}
Build = Callable[..., Updater]


class Rows(Source):
    """Rows of a frame."""

    def __init__(self, rows: pl.DataFrame, features: Features = FEATURES) -> None:
        """Take the rows."""
        self.rows, self.features = rows, features

    def read(self, root: Path | None) -> InteractionLog:
        """See :meth:`Source.read`."""
        return InteractionLog.from_frame(self.rows, features=self.features)


def walked(make: Build, rows: pl.DataFrame, features: Features = FEATURES, **options: Any) -> Updater:
    return short_walk(partial(make, **SHORT), len(rows) // ROWS, stream=Rows(rows, features), **options)


def logits(make: Build, rows: pl.DataFrame) -> dict[tuple[int, str], Tensor]:
    listener = Listener(Rules(make))
    walked(make, rows, listener=listener)
    return listener.logits


MODELS = [EmbeddingMLP, DeepFM, TwoTower, DCNv2, DLRM, partial(Hashed, items=5)]
METHODS: dict[str, Build] = {
    **{kind.__name__: partial(IncrementalUpdate, recommender=kind) for kind in MODELS[:-1]},  # type: ignore[attr-defined]
    "Hashed": partial(IncrementalUpdate, recommender=MODELS[-1]),
    "ASMG": partial(ASMG, window=2, recommender=DeepFM),
    **{kind.__name__: kind for kind in (SML, EWC, IncCTR, Frozen)},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_number_changes_no_score_before_it_and_of_its_own_period_only_its_row_s(name: str) -> None:
    rows = featured_rows(6 * ROWS + 15)
    changed, row = 4, 4 * ROWS + 7
    other = rows.with_columns(price=pl.when(pl.int_range(pl.len()) == row).then(1e6).otherwise("price"))
    before, after = logits(METHODS[name], rows), logits(METHODS[name], other)
    assert {period for period, _ in before} == {3, 4, 5, 6}
    for (period, model), values in before.items():
        differs = values != after[period, model]
        if period <= changed:
            assert not differs.any()
        elif period == changed + 1:
            assert differs.nonzero().flatten().tolist() == [7]
        elif name != "Frozen":
            assert differs.all(), "the moments and what was trained are of these rows too"


def test_a_frozen_model_keeps_the_scale_in_which_it_was_trained() -> None:
    updater = walked(Frozen, featured_rows(5 * ROWS))
    (numbers,) = {each for each in updater.recommender.modules() if isinstance(each, Numbers)}
    first = InteractionLog.from_frame(featured_rows(5 * ROWS)[: 2 * ROWS], features=FEATURES).moments(2 * ROWS)
    assert torch.equal(numbers.mean, first.mean)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["EmbeddingMLP", "ASMG"])
def test_a_walk_that_goes_on_from_a_checkpoint_ends_the_same(name: str, tmp_path: Path) -> None:
    rows = featured_rows(5 * ROWS)
    whole = walked(METHODS[name], rows, folder=tmp_path)
    for checkpoint in sorted((tmp_path / "checkpoints").glob("*.ckpt"))[4:7]:
        again = walked(METHODS[name], rows, resume=checkpoint)
        for path, value in whole.state_dict().items():
            if isinstance(value, Tensor):
                assert torch.equal(value, again.state_dict()[path]), path
        assert repr(again.results[5]) == repr(whole.results[5])


def test_weights_of_one_change_nothing_and_other_weights_do() -> None:
    rows = featured_rows(4 * ROWS)
    plain = Features(**{**vars(FEATURES), "weight": None})
    without = walked(IncrementalUpdate, rows.drop("weight"), features=plain)
    ones = walked(IncrementalUpdate, rows.with_columns(weight=pl.lit(1.0)))
    others = walked(IncrementalUpdate, rows)
    for name, value in without.recommender.state_dict().items():
        torch.testing.assert_close(ones.recommender.state_dict()[name], value)
    assert not torch.allclose(without.recommender.table("item"), others.recommender.table("item"))


@pytest.mark.parametrize("name", ["EmbeddingMLP", "DeepFM"])
def test_a_number_whose_logarithm_is_scaled_counts_as_a_column_of_logarithms(name: str) -> None:
    price = pl.col("price").sign() * (1 + pl.col("price").abs()).log()
    rows = featured_rows(3 * ROWS).with_columns(price=pl.col("price") ** 3)
    logs = Features(**{**vars(FEATURES), "logs": ("price",)})
    found, expected = walked(METHODS[name], rows, features=logs), walked(METHODS[name], rows.with_columns(price=price))
    for path, value in expected.state_dict().items():
        if isinstance(value, Tensor):
            torch.testing.assert_close(found.state_dict()[path], value, rtol=1e-3, atol=1e-5, msg=path)
    plain = walked(METHODS[name], rows)
    assert not torch.allclose(found.recommender.get_buffer("numbers.std"), plain.recommender.get_buffer("numbers.std"))
