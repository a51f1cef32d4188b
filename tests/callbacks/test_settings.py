"""Which settings a resumed walk shares with the one that it goes on from."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from lightning import Trainer

from asmg_pl import data, generators, recommenders, updaters
from asmg_pl.callbacks.period_loop import REQUIRED
from asmg_pl.callbacks.settings import (
    FREE,
    FREE_TRAINER,
    PRETRAINING,
    SHARED_TRAINER,
    differences,
    pretraining_settings,
    shared_settings,
)
from asmg_pl.cli.trainer_options import REPLACED
from asmg_pl.data import PeriodDataModule, sources
from asmg_pl.updaters import Updater
from asmg_pl.updaters.training import BaseTraining

#: Options of the trainer that work in no walk but with one value, checked elsewhere or linked to another option.
ELSEWHERE = {"gradient_clip_algorithm", "use_distributed_sampler", *(flag for flag, *_ in REPLACED)}

#: What else there is to give: the options that change numbers, written out so that a new one is thought about.
SHARED_DATA = {"source", "periods", "batch_size", "history_size", "negatives", "lifetimes"}
SHARED_MODEL = {
    *("sizes", "recommender", "learning_rate", "passes", "pretrain_periods", "pretrain_epochs", "test_from"),
    *("pretrain_learning_rate", "row_wise", "gradient_clip", "batch_size", "self_tuning"),
    *("generator", "window", "weights", "generator_learning_rate", "generator_passes", "zero_state", "stop_at_test"),
    *("bfloat16_state", "strength", "decay", "distillation", "exemplar_share", "reservoir_share", "replay"),
    *("transfer", "transfer_learning_rate", "transfer_passes", "generator_rate_decay", "generator_weight_decay"),
    *("guard", "head", "new_rows", "table_learning_rate", "table_optimizer", "objective", "top_k"),
    *("correction", "shrinkage", "regularization", "ranking"),
}


def options(kind: Any) -> set[str]:
    """The names of what a class is made with, those of its bases among them where it passes them on."""
    names = set(inspect.signature(kind).parameters)
    beneath = options(kind.__mro__[1]) if "base" in names else set()
    return beneath | names - {"self", "base"}


def test_each_option_of_the_trainer_is_in_one_class() -> None:
    fixed = (set(REQUIRED) | ELSEWHERE) - FREE_TRAINER
    classes = [SHARED_TRAINER, FREE_TRAINER, fixed]
    assert sum(map(len, classes)) == len(set().union(*classes))
    assert options(Trainer) == set().union(*classes)


def test_each_option_of_the_data_is_in_one_class() -> None:
    free = {key.removeprefix("data.") for key in FREE if key.startswith("data.")}
    assert not free & SHARED_DATA
    assert options(PeriodDataModule) == free | SHARED_DATA


def test_each_option_of_the_methods_is_in_one_class() -> None:
    free = {key.removeprefix("model.init_args.") for key in FREE if key.startswith("model.")}
    kinds = [kind for kind in vars(updaters).values() if inspect.isclass(kind) and issubclass(kind, Updater)]
    assert not free & SHARED_MODEL
    assert set().union(*map(options, kinds)) == free | SHARED_MODEL


def test_no_two_classes_of_the_package_have_one_name() -> None:
    kinds = {
        kind
        for module in (data, sources, generators, recommenders, updaters)
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__.startswith("asmg_pl.")
    }
    assert len({kind.__name__ for kind in kinds}) == len(kinds)


CONFIG: dict[str, Any] = {
    "trainer": {"precision": None, "devices": 1, "sync_batchnorm": False},
    "model": {
        "class_path": "asmg_pl.updaters.ASMG",
        "init_args": {
            "window": 3,
            "compile_generator": None,
            "gradient_clip": None,
            "learning_rate": None,
            "passes": 1,
        },
    },
    "data": {"batch_size": 64, "device_rows": None, "negatives": None, "periods": None},
    "loop": {"until": None},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The configuration with another value at a path."""
    config = {key: {**section} for key, section in CONFIG.items()}
    config["model"]["init_args"] = {**CONFIG["model"]["init_args"]}
    *way, last = path.split(".")
    inner: Any = config
    for key in way:
        inner = inner[key]
    inner[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.device_rows", 100),
        ("model.init_args.compile_generator", False),
        ("model.init_args.chunk_rows", 7),
        ("trainer.devices", 2),
        ("trainer.deterministic", True),
        ("trainer.precision", 32),
        ("trainer.precision", "32-true"),
        ("trainer.precision", "32"),
        ("loop.until", 5),
        ("model.class_path", "asmg_pl.updaters.asmg.ASMG"),
        ("data.periods", {"class_path": "asmg_pl.data.cutting.periods.EqualCounts", "init_args": {"count": 31}}),
    ],
)
def test_what_changes_no_number_may_change(path: str, value: Any) -> None:
    assert differences(shared_settings(CONFIG), shared_settings(changed(path, value))) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("trainer.precision", "bf16-mixed", "trainer.precision was 32-true and is now bf16-mixed"),
        ("trainer.sync_batchnorm", True, "trainer.sync_batchnorm was False and is now True"),
        ("data.batch_size", 8, "data.batch_size was 64 and is now 8"),
        ("model.init_args.window", None, "model.init_args.window was 3 and is now None"),
        (
            *("data.negatives", {"class_path": "asmg_pl.data.Fresh", "init_args": {"count": 2}}),
            "data.negatives was None and is now asmg_pl.data.Fresh",
        ),
        (
            *("data.periods", {"class_path": "asmg_pl.data.EqualRows", "init_args": {"rows": 9}}),
            "data.periods.class_path was asmg_pl.data.EqualCounts and is now asmg_pl.data.EqualRows",
        ),
        (
            *("model.class_path", "other.ASMG"),
            "model.class_path was asmg_pl.updaters.ASMG and is now other.ASMG",
        ),
    ],
)
def test_what_changes_numbers_is_told_in_both_directions(path: str, value: Any, message: str) -> None:
    saved, now = shared_settings(CONFIG), shared_settings(changed(path, value))
    assert differences(saved, now) == [message]
    assert len(differences(now, saved)) == 1


def test_an_option_that_one_version_of_a_class_lacks_is_no_difference() -> None:
    newer = shared_settings(changed("model.init_args.momentum", 0.9))
    assert differences(shared_settings(CONFIG), newer) == differences(newer, shared_settings(CONFIG)) == []


def test_pre_training_reads_all_that_the_base_training_has_but_what_updates_alone_read() -> None:
    assert options(BaseTraining) - {"sizes", "passes", "pretrained_model", "lazy_tables"} == PRETRAINING
    kinds = [kind for kind in vars(updaters).values() if inspect.isclass(kind) and issubclass(kind, Updater)]
    assert {kind.pretrain for kind in kinds} == {BaseTraining.pretrain}, "all methods pre-train alike"


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("model.init_args.window", 5, False),
        ("model.init_args.passes", 2, False),
        ("model.class_path", "asmg_pl.updaters.EWC", False),
        ("model.init_args.gradient_clip", 1.0, True),
        ("model.init_args.learning_rate", 0.1, True),
        ("data.batch_size", 8, True),
        ("trainer.precision", "bf16-mixed", True),
        ("model.class_path", "other.Method", True),
    ],
)
def test_pre_training_differs_by_what_it_reads_alone(path: str, value: Any, read: bool) -> None:
    assert bool(differences(pretraining_settings(CONFIG), pretraining_settings(changed(path, value)))) == read


def test_with_a_rate_of_its_own_pre_training_does_not_read_that_of_updates() -> None:
    own = {"pretrain_learning_rate": 0.01}
    one, other = ({"class_path": "asmg_pl.updaters.ASMG", "init_args": own | {"learning_rate": x}} for x in (1.0, 2.0))
    assert not differences(pretraining_settings({"model": one}), pretraining_settings({"model": other}))
