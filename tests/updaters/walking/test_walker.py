"""A module on its walk: it says what is missing instead of training nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader
from trainers import trainer

from asmg_pl.callbacks import PeriodLoop
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import IncrementalUpdate

pytestmark = pytest.mark.filterwarnings("ignore")


def walked() -> tuple[IncrementalUpdate, PeriodDataModule]:
    """An updater and its stream of five periods."""
    torch.manual_seed(0)
    source = DriftingStream(users=10, items=12, rows=100, categories=3)
    data = PeriodDataModule(source, periods=EqualCounts(5), history_size=2)
    return IncrementalUpdate(data.sizes, pretrain_periods=2, pretrain_epochs=1), data


@pytest.mark.parametrize("verb", ["fit", "validate", "test"])
def test_without_a_period_loop_an_updater_says_what_to_write(tmp_path: Path, verb: str) -> None:
    updater, data = walked()
    with pytest.raises(ConfigError, match=r"no PeriodLoop, .* asmg_pl\.walk\(updater, data\), or .*PeriodLoop\(\)\]"):
        getattr(trainer(tmp_path), verb)(updater, datamodule=data)


@pytest.mark.parametrize("verb", ["fit", "validate", "test"])
def test_other_data_than_periods_are_refused_with_what_to_write(tmp_path: Path, verb: str) -> None:
    updater, _ = walked()
    with pytest.raises(
        ConfigError, match=r"IncrementalUpdate walks along periods: .*trainer\.fit\(updater, datamodule"
    ):
        getattr(trainer(tmp_path, PeriodLoop()), verb)(updater, DataLoader(range(3)))  # type: ignore[arg-type]


def test_an_evaluation_after_a_walk_begins_where_its_training_ended(tmp_path: Path) -> None:
    updater, data = walked()
    walk = trainer(tmp_path, PeriodLoop(until=3))
    walk.fit(updater, datamodule=data)
    walk.test(updater, datamodule=data, verbose=False)
    assert list(updater.evaluation) == [4, 5]
    walk.validate(updater, datamodule=data, verbose=False)
    assert list(updater.evaluation) == [4]


@pytest.mark.parametrize(("verb", "periods"), [("validate", [4]), ("test", [4, 5])])
def test_a_checkpoint_brings_its_place_to_an_evaluation(tmp_path: Path, verb: str, periods: list[int]) -> None:
    updater, data = walked()
    walk = trainer(tmp_path, PeriodLoop(until=3))
    walk.fit(updater, datamodule=data)
    walk.save_checkpoint(tmp_path / "three.ckpt")
    fresh, again = walked()
    evaluation = trainer(tmp_path, PeriodLoop())
    getattr(evaluation, verb)(fresh, datamodule=again, ckpt_path=tmp_path / "three.ckpt", verbose=False)
    assert fresh.place.trained_until == 3
    assert list(fresh.evaluation) == periods


def test_a_trained_updater_goes_on_from_where_it_stands_with_another_trainer(tmp_path: Path) -> None:
    """Or its scores would be of rows that it was trained on."""
    updater, data = walked()
    trainer(tmp_path, PeriodLoop(until=3)).fit(updater, datamodule=data)
    trainer(tmp_path, PeriodLoop()).test(updater, datamodule=data, verbose=False)
    assert list(updater.evaluation) == [4, 5]
    trainer(tmp_path, PeriodLoop()).fit(updater, datamodule=data)
    assert list(updater.results) == [3, 4, 5]
    assert updater.place.trained_until == 5
    with pytest.raises(ConfigError, match="no PeriodLoop"):
        trainer(tmp_path).fit(updater, datamodule=data)


def test_one_trainer_walks_another_updater_from_the_beginning(tmp_path: Path) -> None:
    (first, data), (second, _) = walked(), walked()
    walk = trainer(tmp_path, PeriodLoop())
    walk.fit(first, datamodule=data)
    walk.fit(second, datamodule=data)
    assert repr(second.results) == repr(first.results)


def test_a_data_module_can_be_walked_along_once_more_by_another_updater(tmp_path: Path) -> None:
    (first, data), (second, _) = walked(), walked()
    for updater in (first, second):
        trainer(tmp_path, PeriodLoop()).fit(updater, datamodule=data)
    assert list(first.results) == [3, 4, 5]
    assert repr(second.results) == repr(first.results)
