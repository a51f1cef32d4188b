"""What of a trial decides on the model that it starts from, and what its folder is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from asmg_pl.experiments.trial import Trial, label, sets_start, trials_of, tuned_files


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("data.batch_size", False),
        ("data.history_size", True),
        ("data.periods.init_args.count", True),
        ("model.class_path", False),
        ("model.init_args.learning_rate", False),
        ("model.init_args.generator.init_args.hidden_size", False),
        ("model.init_args.recommender.init_args.embedding_dim", True),
        ("model.recommender", True),
        ("model.init_args.pretrain_epochs", True),
        ("model.init_args.test_from", True),
        ("trainer.accelerator", False),
    ],
)
def test_data_base_model_and_pretraining_decide_on_the_start(option: str, expected: bool) -> None:
    assert sets_start(option) == expected


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write(tmp_path / "plain.yaml", "model:\n  class_path: A\n  init_args:\n    learning_rate: 0.1\n")


@pytest.fixture
def factors(tmp_path: Path) -> Path:
    text = "model:\n  class_path: A\n  init_args:\n    learning_rate: 0.1\n    recommender: B\n"
    return write(tmp_path / "factors.yaml", text)


def test_settings_of_the_updates_share_a_start(plain: Path, tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.yaml", "model: A\n")
    trials = [Trial("one", (plain,)), Trial("two", (bare, plain), (("data.batch_size", "8"),))]
    assert [trial.start() for trial in trials] == [Trial("pretraining/common", ())] * 2


def test_a_rate_of_pretraining_that_a_method_has_for_itself_does_not_count_beside_other_methods(
    factors: Path, tmp_path: Path
) -> None:
    text = "model:\n  class_path: A\n  init_args:\n    pretrain_learning_rate: 0.1\n"
    faster = write(tmp_path / "faster.yaml", text)
    assert Trial("one", (faster,)).start() == Trial("pretraining/common", ())
    assert Trial("two", (factors, faster)).start() == Trial("pretraining/factors", (factors,))
    assert Trial("three", (), (("model.init_args.pretrain_learning_rate", "0.2"),)).start().options


def test_another_base_model_has_a_start_of_its_own_that_tuning_leaves(plain: Path, factors: Path) -> None:
    start = Trial("pretraining/factors", (factors,))
    assert Trial("one", (factors,)).start() == Trial("two", (factors, plain)).start() == start
    size = ("model.init_args.recommender.init_args.embedding_dim", "4")
    varied = Trial("three", (factors,), (("data.batch_size", "8"), size)).start()
    assert varied == Trial("pretraining/factors,recommender.embedding_dim=4", (factors,), (size,))


def test_options_follow_the_files(plain: Path, factors: Path) -> None:
    trial = Trial("one", (plain, factors), (("data.batch_size", "8"),))
    assert trial.arguments() == ("--config", str(plain), "--config", str(factors), "--data.batch_size", "8")


def test_a_label_is_short_and_tells_options_apart() -> None:
    assert label([("data.batch_size", "8"), ("model.init_args.passes", "2")]) == "batch_size=8,passes=2"
    assert label([("model.init_args.generator.init_args.hidden_size", "4")]) == "generator.hidden_size=4"


def test_a_method_without_a_chosen_setting_stays_as_it_is(plain: Path, factors: Path, tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    chosen = write(tmp_path / "tuned" / "plain.yaml", "")
    assert tuned_files(plain, chosen.parent) == (chosen,)
    assert tuned_files(factors, chosen.parent) == tuned_files(plain, None) == ()
    assert [trial.name for trial in trials_of(plain, chosen.parent)] == ["plain", "plain_tuned"]
    assert [trial.name for trial in trials_of(plain, chosen.parent, tuned_only=True)] == ["plain_tuned"]
    assert trials_of(factors, chosen.parent, tuned_only=True) == trials_of(factors)
    assert trials_of(factors, chosen.parent) == trials_of(factors) == [Trial("factors", (factors,))]
