"""Dense EMA: what is averaged, and what serves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import DenseEMA, IncrementalUpdate, Updater
from asmg_pl.updaters.optim.averaging import follow

Walk = Callable[..., Updater]


def test_an_average_keeps_a_share_of_what_it_was() -> None:
    averages = [torch.tensor([1.0, 2.0]), torch.tensor(4.0)]
    follow(averages, [torch.tensor([3.0, 2.0]), torch.tensor(0.0)], decay=0.75)
    torch.testing.assert_close(averages, [torch.tensor([1.5, 2.0]), torch.tensor(3.0)])


def test_newest_tables_serve_with_averaged_dense_parameters(short_walk: Walk) -> None:
    updater = short_walk(DenseEMA, decay=0.9)
    assert isinstance(updater, DenseEMA)
    for name, table in updater.recommender.table_parameters().items():
        assert torch.equal(updater.serving.table(name), table)
    for name, weight in updater.recommender.dense_parameters().items():
        assert not torch.equal(updater.serving.dense_parameters()[name], weight), name


def test_the_base_model_is_that_of_the_plain_incremental_update(short_walk: Walk) -> None:
    plain, updater = short_walk(IncrementalUpdate), short_walk(DenseEMA)
    for period, result in updater.results.items():
        assert repr(result.scores["incremental"]) == repr(plain.results[period].scores["serving"])
    assert repr(updater.results[3].scores["serving"]) == repr(updater.results[3].scores["incremental"]), (
        "Θ_0 serves first"
    )
    assert repr(updater.results[5].scores["serving"]) != repr(updater.results[5].scores["incremental"])


def test_without_memory_the_plain_incremental_update_serves(short_walk: Walk) -> None:
    updater = short_walk(DenseEMA, decay=0.0)
    for result in updater.results.values():
        assert repr(result.scores["serving"]) == repr(result.scores["incremental"])


def test_the_decay_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"model\.decay must be from 0 to 1, got 1\.5"):
        DenseEMA(Sizes(5, 5), decay=1.5)
