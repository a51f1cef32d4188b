"""Walks from Python: the command line's numbers, no files without a folder, resuming, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from matplotlib.figure import Figure

import asmg_pl
from asmg_pl import ASMG, DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, PeriodLoop, walk
from asmg_pl.callbacks import PhaseCheckpoint, ServingExport
from asmg_pl.cli.main import main
from asmg_pl.data import Calendar
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Stream
from asmg_pl.data.stream import StreamWriter
from asmg_pl.errors import CheckpointError, ConfigError, UserError
from asmg_pl.metrics.results import mean_over
from asmg_pl.serving import Store

UPDATER = partial(ASMG, window=2, pretrain_periods=2, pretrain_epochs=2, test_from=6)
SAME_ON_THE_COMMAND_LINE = [
    *("--model", "ASMG", "--model.init_args.window", "2", "--model.init_args.pretrain_periods", "2"),
    *("--model.init_args.pretrain_epochs", "2", "--model.init_args.test_from", "6"),
    *("--data.source", "DriftingStream", "--data.source.init_args.users", "15", "--data.source.init_args.items", "20"),
    *("--data.source.init_args.rows", "420", "--data.periods", "EqualCounts", "--data.periods.init_args.count", "7"),
    *("--data.batch_size", "16", "--data.history_size", "5"),
]


def stream(**options: Any) -> PeriodDataModule:
    source = DriftingStream(users=15, items=20, rows=420)
    return PeriodDataModule(source, periods=EqualCounts(7), batch_size=16, history_size=5, **options)


@pytest.fixture(scope="module")
def walked() -> asmg_pl.Walk:
    return walk(UPDATER, stream(), enable_progress_bar=False)


def test_it_has_the_command_lines_numbers_to_the_last_bit(
    walked: asmg_pl.Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "run")
    arguments = ["asmg", "fit", *SAME_ON_THE_COMMAND_LINE, "--trainer.default_root_dir", folder]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    assert (tmp_path / "run" / "metrics.csv").read_text() == walked.frame().write_csv()


def test_another_seed_is_another_walk_and_the_seed_is_the_datas(walked: asmg_pl.Walk) -> None:
    torch.manual_seed(5)  # what the program drew before does not matter
    assert walk(UPDATER, stream(seed=1234), enable_progress_bar=False).frame().equals(walked.frame())
    assert not walk(UPDATER, stream(seed=7), enable_progress_bar=False).frame().equals(walked.frame())


def test_one_stream_can_be_walked_again(walked: asmg_pl.Walk) -> None:
    data = stream()
    walk(partial(IncrementalUpdate, **{k: v for k, v in UPDATER.keywords.items() if k != "window"}), data)
    assert walk(UPDATER, data).frame().equals(walked.frame())


def test_an_updater_that_is_made_is_walked_as_it_is(walked: asmg_pl.Walk) -> None:
    data = stream()
    torch.manual_seed(data.seed)
    updater = UPDATER(data.sizes)
    found = walk(updater, data)
    assert found.updater is updater
    assert found.frame().equals(walked.frame())
    with pytest.raises(ConfigError, match="has walked already: give its class"):
        walk(updater, data)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    walk(UPDATER, stream(), until=3)
    assert list(tmp_path.rglob("*")) == []


def test_the_random_numbers_of_the_caller_go_on(walked: asmg_pl.Walk) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    walk(UPDATER, stream(), until=2)
    assert torch.equal(torch.rand(3), expected)


def test_a_walk_goes_on_where_it_ended_or_from_a_given_checkpoint(walked: asmg_pl.Walk, tmp_path: Path) -> None:
    data = stream()
    first = walk(UPDATER, data, tmp_path / "run", resume=True, until=4, callbacks=[PhaseCheckpoint(keep=-1)])
    assert first.frame()["period"].to_list() == [3, 4]
    earlier = next((tmp_path / "run" / "checkpoints").glob("period-000003-*"))
    assert walk(UPDATER, data, tmp_path / "other", resume=earlier).frame().equals(walked.frame())
    assert walk(UPDATER, data, tmp_path / "run", resume=True).frame().equals(walked.frame())
    assert pl.read_csv(tmp_path / "run" / "metrics.csv")["period"].to_list() == [3, 4, 5, 6, 7]


def test_an_earlier_walk_is_replaced_only_if_that_is_asked_for(tmp_path: Path) -> None:
    walk(UPDATER, stream(), tmp_path, until=3)
    with pytest.raises(ConfigError, match="holds an earlier walk") as caught:
        walk(UPDATER, stream(), tmp_path, until=3)
    assert "resume=True" in caught.value.__notes__[0]
    walk(UPDATER, stream(), tmp_path, until=3, overwrite=True)


def test_a_resumed_walk_has_the_settings_that_it_began_with(tmp_path: Path) -> None:
    walk(UPDATER, stream(), tmp_path, until=3)
    changed: list[tuple[Callable[..., Any], str]] = [
        (partial(UPDATER, learning_rate=0.01), "model.init_args.learning_rate was None and is now 0.01"),
        (partial(UPDATER, weights="uniform"), "model.init_args.weights was linear and is now uniform"),
        (
            lambda sizes: IncrementalUpdate(sizes, pretrain_periods=2),
            "resume with the updater and recommender that wrote",
        ),
    ]
    for other, named in changed:
        with pytest.raises(CheckpointError, match=named):
            walk(other, stream(), tmp_path, until=4, resume=True)
    with pytest.raises(CheckpointError, match=r"data\.negatives was None and is now"):
        walk(UPDATER, stream(negatives=Fresh()), tmp_path, until=4, resume=True)
    walk(UPDATER, stream(scoring_batch_size=7), tmp_path, until=4, resume=True)  # which changes no number
    walk(lambda sizes: UPDATER(sizes), stream(), tmp_path, until=5, resume=True)  # whose class alone is known


def test_the_command_line_goes_on_with_a_walk_from_python(
    walked: asmg_pl.Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(UPDATER, stream(), tmp_path, until=4)
    arguments = ["asmg", "fit", *SAME_ON_THE_COMMAND_LINE, "--trainer.default_root_dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--loop.until", "5", "--ckpt_path", "last"])
    main()
    assert walk(UPDATER, stream(), tmp_path, resume=True).frame().equals(walked.frame())


def test_its_configuration_is_one_that_the_command_line_reads(
    walked: asmg_pl.Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(UPDATER, stream(), tmp_path / "python", until=3)
    config, folder = str(tmp_path / "python" / "config.yaml"), str(tmp_path / "command")
    arguments = ["asmg", "fit", "--config", config, "--trainer.default_root_dir", folder, "--loop.until", "4"]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    found = pl.read_csv(tmp_path / "command" / "metrics.csv")
    assert found["serving_auc"].to_list() == walked.frame()["serving_auc"].to_list()[:2]


def test_what_a_walk_has_come_to(walked: asmg_pl.Walk) -> None:
    frame = walked.frame()
    assert frame["period"].to_list() == [3, 4, 5, 6, 7]
    assert {"split", "rows", "incremental_auc", "serving_logloss"} <= set(frame.columns)
    assert walked.mean() == mean_over(walked.updater.results.values(), "test")
    assert walked.mean("warm-up") != walked.mean()
    assert repr(walked).startswith("<Walk of ASMG: periods 3 to 7 scored, mean of tests: incremental auc 0.")
    assert "<table" in walked._repr_html_()


def test_its_lift_over_the_plain_update_and_the_verdict(walked: asmg_pl.Walk) -> None:
    lift, mean = walked.lift(), walked.mean()
    assert lift is not None
    assert lift.mean == pytest.approx(mean["serving_auc"] - mean["incremental_auc"], abs=1e-12)
    assert lift.low <= lift.mean <= lift.high
    assert (walked.verdict() or "").startswith(
        f"lift over the plain update, periods 6 to 7: {lift.mean:+.4f} AUC (95 % "
    )


def test_the_serving_model_scores(walked: asmg_pl.Walk) -> None:
    model = walked.serving
    assert not model.training
    batch = walked.data.log.batch(torch.arange(8), history_size=5)
    assert torch.equal(model(batch), model(batch))
    assert model is walked.updater.scored_models()["serving"]


def test_the_plot_is_a_figure_that_a_notebook_shows(walked: asmg_pl.Walk, tmp_path: Path) -> None:
    figure = walked.plot()
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    figure.savefig(tmp_path / "auc.png")


def test_a_walk_that_has_scored_nothing_says_so() -> None:
    found = walk(UPDATER, stream(), until=2)
    assert found.frame().is_empty()
    assert repr(found) == "<Walk of ASMG: no period scored>"
    assert (found.lift(), found.verdict()) == (None, None)
    with pytest.raises(ConfigError, match="scored no period"):
        found.plot()


def test_callbacks_of_a_walk_take_the_place_of_its_own(tmp_path: Path) -> None:
    walk(UPDATER, stream(), tmp_path, until=4, callbacks=[ServingExport(keep=1)])
    assert Store(tmp_path / "serving").versions() == ["after-period-000004"]


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        ({"default_root_dir": "x"}, "give it as folder"),
        ({"logger": True}, "give folder"),
        ({"untill": 3}, "unexpected keyword argument 'untill'"),
        ({"resume": True}, "give the folder"),
        ({"max_epochs": 3}, "trainer.max_epochs must be -1"),
        ({"callbacks": [PeriodLoop()]}, "give until"),
        ({"callbacks": [ServingExport(1)]}, "give folder too"),
        ({"callbacks": [EarlyStopping("auc")]}, "a walk has no validation"),
        ({"folder": "run", "overwrite": True, "callbacks": [PhaseCheckpoint()]}, "overwrite is its argument"),
        ({"data": DriftingStream()}, r"PeriodDataModule\(source\)"),
        ({"updater": lambda sizes: None}, "give an Updater, or a class of one"),
    ],
)
def test_what_cannot_be_is_refused_with_the_mend(
    given: dict[str, Any], mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=mend):
        walk(**{"updater": UPDATER, "data": stream(), **given})
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_imports_nothing_that_takes_long() -> None:
    heavy = ["torch", "lightning", "polars", "numpy", "matplotlib", "jsonargparse"]
    code = f"import asmg_pl, sys; print([m for m in {heavy} if m in sys.modules], callable(asmg_pl.walk))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"


@pytest.mark.parametrize("name", asmg_pl.__all__)
def test_each_name_of_the_package_is_there(name: str) -> None:
    assert getattr(asmg_pl, name).__name__ == name
    assert name in dir(asmg_pl)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ASGM'"):
        asmg_pl.ASGM  # noqa: B018


def test_the_walk_is_the_function_whatever_was_imported(walked: asmg_pl.Walk) -> None:
    import asmg_pl.walk as same
    from asmg_pl import walk as function

    made: Callable[..., asmg_pl.Walk] = function
    assert same is made is asmg_pl.walk  # type: ignore[comparison-overlap]


DAY = 86_400


def days_of(folder: Path, first: int, last: int) -> None:
    """Append a row for each hour of some days; the last day ends at noon."""
    hours = range(24 * first, 24 * last + 12)
    rows = {"user": [h % 5 for h in hours], "item": [h % 7 for h in hours], "label": [h % 2 for h in hours]}
    StreamWriter(folder).append(pl.DataFrame(rows | {"time": [hour * 3600 for hour in hours]}))


def test_the_last_day_waits_until_it_is_said_to_be_complete_and_does_not_grow_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def go_on(resume: bool = True, folder: str = "run", **periods: Any) -> pl.DataFrame:
        caplog.clear()
        data = PeriodDataModule(Stream(), str(tmp_path / "s"), Calendar("1d", **periods), history_size=3)
        method = partial(IncrementalUpdate, pretrain_periods=1, pretrain_epochs=1, test_from=3)
        done = walk(method, data, tmp_path / folder, resume=resume, enable_progress_bar=False)
        return done.frame()

    days_of(tmp_path / "s", 0, 3)
    with caplog.at_level("INFO"):
        assert go_on(False)["period"].to_list() == [2, 3]
        said = "12 rows since 1970-01-04 00:00:00 UTC wait for the day to end"
        assert said in caplog.text
        assert go_on()["period"].to_list() == [2, 3]
        assert said in caplog.text, "also if there is nothing to walk"
        closed = go_on(complete_until="1970-01-05")
        assert closed["period"].to_list() == [2, 3, 4]
        assert "rows since" not in caplog.text
        assert go_on().equals(closed), "what was walked stays, whatever is said later"

    rows = {"user": [1, 2], "item": [1, 2], "label": [0, 1], "time": [3 * DAY + 50_000, 3 * DAY + 60_000]}
    StreamWriter(tmp_path / "s").append(pl.DataFrame(rows))
    days_of(tmp_path / "s", 4, 5)
    with pytest.raises(ConfigError, match="period 4 was walked as complete with 12 rows, and 2 more rows of it"):
        go_on()
    late = go_on(late="next")
    assert late["rows"].to_list() == [24, 24, 12, 26]
    assert late[:3].equals(closed)
    assert go_on(late="next", complete_until="now")["rows"].to_list() == [24, 24, 12, 26, 12]
    assert go_on(False, "anew")["rows"].to_list() == [24, 24, 14, 24]
