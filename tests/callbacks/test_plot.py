"""The plot of a run: what is drawn, and that a picture comes out of odd results too."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from asmg_pl.callbacks.plot import plot_results
from asmg_pl.metrics.results import PeriodResult

NAN = math.nan


def result(period: int, split: str, **models: float) -> PeriodResult:
    """AUCs by model; the log loss is one less the AUC."""
    scores = {m: {"auc": auc, "logloss": 1 - auc} for m, auc in models.items()}
    return PeriodResult(period, split, rows=10, positives=5, new_user_rows=2, new_item_rows=1, scores=scores)


def drawn(results: list[PeriodResult], path: Path, monkeypatch: pytest.MonkeyPatch, title: str = "") -> Figure:
    figures: list[Figure] = []
    original = Figure.savefig

    def spy(self: Figure, *arguments: Any, **options: Any) -> None:
        figures.append(self)
        original(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    plot_results(results, path, title)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 5000
    return figures[0]


def lines(figure: Figure, panel: int) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))  # type: ignore[arg-type]
        for line in figure.axes[panel].get_lines()
        if line.get_label() != "_level"
    }


RUN = [
    result(3, "selection", incremental=0.6, serving=0.7),
    result(4, "warm-up", incremental=0.5, serving=0.8),
    result(5, "test", incremental=0.4, serving=0.9),
    result(6, "test", incremental=0.3, serving=0.75),
]


def test_each_model_has_a_line_of_its_auc_and_one_of_its_logloss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(RUN, tmp_path / "auc.png", monkeypatch)
    assert [axis.get_ylabel() for axis in figure.axes[:2]] == ["AUC", "LogLoss"]
    periods = [3, 4, 5, 6]
    assert lines(figure, 0) == {
        "incremental": (periods, [0.6, 0.5, 0.4, 0.3]),
        "serving": (periods, [0.7, 0.8, 0.9, 0.75]),
    }
    assert lines(figure, 1)["serving"][1] == pytest.approx([0.3, 0.2, 0.1, 0.25])


def test_test_periods_are_shaded_and_named_in_the_legend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(RUN, tmp_path / "auc.png", monkeypatch)
    for axis in figure.axes:
        (shade,) = (patch for patch in axis.patches if patch.get_label() == "test periods")
        assert shade.get_extents().transformed(axis.transData.inverted()).intervalx == pytest.approx([4.5, 6.5])
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert sorted(text.get_text() for text in legend.get_texts()) == ["incremental", "serving", "test periods"]


def test_without_test_periods_nothing_is_shaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for axis in drawn(RUN[:2], tmp_path / "auc.png", monkeypatch).axes:
        assert all(patch.get_label() != "test periods" for patch in axis.patches)


def test_the_title_names_method_and_stream_and_shows_odd_names_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = drawn(RUN, tmp_path / "auc.png", monkeypatch, "ASMG on Stream in a$b$")
    assert figure.get_suptitle() == r"ASMG on Stream in a\$b\$"


def test_a_panel_shows_the_lift_where_both_models_are_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(RUN, tmp_path / "auc.png", monkeypatch)
    assert "lift" in figure.axes[2].get_ylabel()
    found = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in figure.axes[2].containers[0]}
    assert found == pytest.approx({3: 0.1, 4: 0.3, 5: 0.5, 6: 0.45})
    alone = drawn([result(3, "test", serving=0.6)], tmp_path / "auc.png", monkeypatch)
    assert len(alone.axes) == 2


def test_thin_lines_mark_chance_and_no_lift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(RUN, tmp_path / "auc.png", monkeypatch)
    levels = [
        [list(line.get_ydata()) for line in axis.get_lines() if line.get_label() == "_level"]  # type: ignore[arg-type]
        for axis in figure.axes
    ]
    assert levels == [[[0.5, 0.5]], [], [[0.0, 0.0]]]


@pytest.mark.parametrize("split", ["warm-up", "test", "selection"])
def test_a_single_period_makes_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    figure = drawn([result(3, split, serving=0.6)], tmp_path / "auc.png", monkeypatch)
    assert lines(figure, 0) == {"serving": ([3], [0.6])}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scores", [[NAN], [NAN, NAN], [0.5, NAN, 0.6], [NAN, 0.6]])
def test_scores_that_are_nan_make_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float]
) -> None:
    results = [result(period, "test", serving=auc) for period, auc in enumerate(scores)]
    figure = drawn(results, tmp_path / "auc.png", monkeypatch)
    assert [math.isnan(y) for y in lines(figure, 0)["serving"][1]] == [math.isnan(auc) for auc in scores]


def test_a_model_that_joins_later_has_a_shorter_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [result(3, "test", serving=0.5), result(4, "test", serving=0.6, late=0.7)]
    figure = drawn(results, tmp_path / "auc.png", monkeypatch)
    assert lines(figure, 0) == {"serving": ([3, 4], [0.5, 0.6]), "late": ([4], [0.7])}


def test_a_picture_replaces_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "auc.png").write_text("older")
    drawn(RUN, tmp_path / "auc.png", monkeypatch)


def test_a_period_in_which_a_model_has_diverged_is_a_gap_with_a_cross(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"serving": {"auc": NAN, "logloss": NAN}, "incremental": {"auc": 0.5, "logloss": 0.5}}
    broken = PeriodResult(7, "test", 10, 5, 2, 1, scores, {"serving": 10})
    for panel in (0, 1):
        found = lines(drawn([*RUN, broken], tmp_path / "auc.png", monkeypatch), panel)
        assert math.isnan(found["serving"][1][-1])
        assert found["serving: diverged"] == ([7], [0.0])
        assert "incremental: diverged" not in found
