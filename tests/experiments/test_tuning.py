"""``asmg tune``: the search, which sees the warm-up periods alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from experiments.conftest import COMMON, Command, table

from asmg_pl.cli.config_files import find
from asmg_pl.errors import ConfigError
from asmg_pl.experiments import tuning
from asmg_pl.experiments.study import Study
from asmg_pl.experiments.trial import Trial

METHODS = sorted((Path(__file__).parents[2] / "configs" / "methods").glob("*.yaml"))

# ---- the search

VALUES = {"data.batch_size": ["8", "4"], "model.init_args.passes": ["1", "2", "3"]}
#: The AUC of each setting, best where the batch is 8 and there are 3 passes, which the first round does not find.
AUC = {("8", "1"): 0.5, ("4", "1"): 0.6, ("4", "2"): 0.7, ("4", "3"): 0.4, ("8", "2"): 0.8, ("8", "3"): 0.9}


class Imagined(Study):
    """Walks nothing; in the place of a trial's runs stands its setting, which says what they would score."""

    def __init__(self, failing: Sequence[tuple[str, ...]] = (), test_from: int = 25) -> None:
        super().__init__(Path("runs"), [1])
        self.failing, self.test_from = failing, test_from
        self.walked: list[tuple[str, ...]] = []

    def protocol(self, trial: Trial) -> dict[str, Any]:
        return {"pretrain_periods": 10, "test_from": self.test_from}

    def runs(self, trials: Sequence[Trial]) -> dict[Trial, Any]:
        settings = {trial: tuple(value for option, value in trial.options if option in VALUES) for trial in trials}
        self.walked += settings.values()
        return {trial: s for trial, s in settings.items() if s not in self.failing}


@pytest.fixture
def imagined_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    def summary(setting: tuple[str, str], split: str) -> dict[str, Any]:
        assert split == "warm-up"
        return {"auc": AUC[setting]}

    monkeypatch.setattr(tuning, "summary", summary)


def search(study: Study, rounds: int = 1) -> list[tuple[str, ...]]:
    results = tuning.search(study, Path("iu.yaml"), VALUES, 23, rounds)
    return [tuple(value for _, value in setting) for setting in results]


@pytest.mark.usefixtures("imagined_scores")
def test_options_are_searched_one_after_the_other_and_nothing_is_walked_twice() -> None:
    study = Imagined()
    assert search(study) == [("4", "2"), ("4", "1"), ("8", "1"), ("4", "3")]
    assert study.walked == [("8", "1"), ("4", "1"), ("4", "2"), ("4", "3")]


@pytest.mark.usefixtures("imagined_scores")
def test_another_round_starts_from_the_best_so_far() -> None:
    study = Imagined()
    assert search(study, rounds=2)[0] == ("8", "3")
    assert study.walked[4:] == [("8", "2"), ("8", "3")]


@pytest.mark.usefixtures("imagined_scores")
def test_a_setting_that_failed_is_passed_over() -> None:
    assert search(Imagined(failing=[("4", "1"), ("8", "2")]))[0] == ("8", "3")
    assert search(Imagined(failing=list(AUC))) == []


@pytest.mark.parametrize(("test_from", "expected"), [(25, 23), (14, 12)])
def test_walks_end_before_the_period_of_the_first_model_that_is_tested(test_from: int, expected: int) -> None:
    assert tuning.last_period(Imagined(test_from=test_from), Path("iu.yaml")) == expected


def test_without_a_warm_up_period_there_is_nothing_to_tune_on() -> None:
    with pytest.raises(ConfigError, match="tests begin with period 13, which leaves no period"):
        tuning.last_period(Imagined(test_from=13), Path("iu.yaml"))


def test_sections_of_the_grid_fit_by_pattern_and_later_ones_override() -> None:
    everywhere = {"data.batch_size": [8, 4], "model.init_args.passes": [1]}
    grid: tuning.Grid = {"*": everywhere, "gru_*": {"data.batch_size": [1.0e-5, None]}}
    assert tuning.values_for("iu", grid) == {"data.batch_size": ["8", "4"], "model.init_args.passes": ["1"]}
    assert tuning.values_for("gru_one", grid)["data.batch_size"] == ["1e-05", "null"]


def test_chosen_options_become_a_configuration_file() -> None:
    setting = (("data.batch_size", "8"), ("model.init_args.passes", "2"), ("model.init_args.learning_rate", "1e-05"))
    text = tuning.overlay(setting)
    assert yaml.safe_load(text) == {
        "data": {"batch_size": 8},
        "model": {"init_args": {"passes": 2, "learning_rate": pytest.approx(1e-5)}},
    }


# ---- the command

Configuration = Callable[..., dict[str, Any]]


@pytest.fixture
def configuration(asmg: Command) -> Configuration:
    """The configuration that ``asmg fit`` makes of some arguments."""

    def read(*arguments: str) -> dict[str, Any]:
        done = asmg("fit", *COMMON, *arguments, "--print_config")
        assert done.code == 0, done.err
        return dict(yaml.safe_load(done.out))

    return read


@pytest.mark.usefixtures("within")
def test_the_best_setting_on_the_warm_up_periods_is_written(
    folder: Path, asmg: Command, configuration: Configuration
) -> None:
    (folder / "grid.yaml").write_text("iu:\n  data.batch_size: [200, 8]\n")
    arguments = ["--methods", "iu.yaml", "--grid", "grid.yaml", "--seeds", "3"]
    done = asmg("tune", "runs", *arguments, "--", *COMMON)
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    rows = table(folder / "runs" / "tuning.md")
    walks = {size: folder / "runs" / "iu" / f"batch_size={size}" / "seed-3" for size in (200, 8)}
    metrics = {size: pl.read_csv(walk / "metrics.csv") for size, walk in walks.items()}
    for table_of_one in metrics.values():
        assert table_of_one["split"].to_list() == ["selection", "warm-up"]
        assert table_of_one["period"].to_list() == [5, 6]  # the model of period 7 is the first that is tested
    warm_up = {size: scores["serving_auc"][1] for size, scores in metrics.items()}
    best = max(warm_up, key=lambda size: warm_up[size])
    assert metrics[200]["serving_auc"][0] == metrics[8]["serving_auc"][0], "both start from one model"
    assert [row["setting"].split(",")[0] for row in rows] == [f"batch {best}", f"batch {208 - best}"]
    assert [row["warm-up AUC"] for row in rows] == [f"{warm_up[size]:.4f}" for size in (best, 208 - best)]
    assert [(row["chosen"], row["method"]) for row in rows] == [("yes", "iu"), ("", "iu")]
    assert pl.read_csv(folder / "runs" / "tuning.csv")["chosen"].to_list() == [True, False]

    assert "asmg tune runs --methods iu.yaml --grid grid.yaml" in (folder / "runs" / "tuned" / "iu.yaml").read_text()
    assert configuration("--config", "iu.yaml", "--config", "runs/tuned/iu.yaml")["data"]["batch_size"] == best


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda path: path.stem)
def test_every_shipped_method_has_the_options_of_the_shipped_grid(
    method: Path, folder: Path, configuration: Configuration
) -> None:
    values = tuning.values_for(method.stem, tuning.read_grid(find("configs/tuning/grid.yaml")))
    for place in (0, -1):
        chosen = [(option, tried[place]) for option, tried in values.items()]
        found = configuration("--config", str(method), *Trial("any", (), tuple(chosen)).arguments())
        assert found["data"]["batch_size"] == int(dict(chosen)["data.batch_size"])
