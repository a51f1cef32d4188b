"""The progress bar of small walks: what it is called, and that it counts every mini-batch once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, LightningModule, Trainer

from asmg_pl.callbacks import PeriodLoop, PeriodProgress, PhaseCheckpoint
from asmg_pl.checkpoints.io import AtomicCheckpointIO
from asmg_pl.data import EqualCounts, PeriodDataModule
from asmg_pl.data.sources import DriftingStream
from asmg_pl.updaters import ASMG, SPMF, IncrementalUpdate, Updater

pytestmark = pytest.mark.filterwarnings("ignore")


class Bar:
    """Stands in for tqdm and notes what is asked of it."""

    made: list[Bar]

    def __init__(self, total: int, desc: str = "", disable: bool = False, **_: Any) -> None:
        self.total = self.planned = total
        self.disable, self.n, self.closed = disable, 0, 0
        self.names: list[str] = []
        self.counts: list[int] = []
        self.made.append(self)

    def set_description(self, desc: str, refresh: bool = True) -> None:
        self.names.append(desc)
        self.counts.append(self.n)

    def update(self, n: int = 1) -> None:
        assert not self.closed
        self.n += n

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The bars that were made, in order."""
    monkeypatch.setattr(Bar, "made", [], raising=False)
    monkeypatch.setattr("asmg_pl.callbacks.progress.tqdm", Bar)
    return Bar.made


def walk(
    folder: Path,
    *callbacks: Callback,
    until: int | None = None,
    ckpt_path: Path | None = None,
    kind: type[Updater] = IncrementalUpdate,
    progress: PeriodProgress | None = None,
    **updater: Any,
) -> None:
    """Five periods of 40 rows: 3 mini-batches to train on one, 2 to score it."""
    data = PeriodDataModule(
        DriftingStream(users=10, items=12, rows=200, categories=3),
        periods=EqualCounts(5),
        batch_size=16,
        scoring_batch_size=30,
        history_size=2,
    )
    defaults: dict[str, Any] = {"pretrain_periods": 2, "pretrain_epochs": 2}
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        default_root_dir=folder,
        plugins=[AtomicCheckpointIO()],
        callbacks=[PeriodLoop(until), progress or PeriodProgress(), PhaseCheckpoint(), *callbacks],
    )
    trainer.fit(kind(data.sizes, **defaults | updater), datamodule=data, ckpt_path=ckpt_path)


def test_the_bar_names_period_and_phase_and_counts_every_mini_batch_once(tmp_path: Path, bars: list[Bar]) -> None:
    walk(tmp_path)
    (bar,) = bars
    assert bar.names == [
        "period 2/5 · pretrain",
        "period 2/5 · select",
        "period 2/5 · pretrain 2",
        "period 2/5 · select 2",
        "period 3/5 · score",
        "period 3/5 · update",
        "period 4/5 · score",
        "period 4/5 · update",
        "period 5/5 · score",
        "period 5/5 · update",
    ]
    assert bar.counts == [0, 5, 7, 12, 14, 16, 19, 21, 24, 26]
    assert bar.n == bar.total == bar.planned == 29
    assert bar.closed == 1


def test_phases_side_by_side_count_their_steps_only(tmp_path: Path, bars: list[Bar]) -> None:
    walk(tmp_path, kind=ASMG, window=2, generator_passes=2, pretrain_epochs=1)
    (bar,) = bars
    assert bar.names[-4:] == [
        "period 5/5 · score",
        "period 5/5 · generate",
        "period 5/5 · generate 2",
        "period 5/5 · update",
    ]
    assert bar.n == bar.total == 7 + 3 * (2 + 3) + 2 * 3


def test_a_walk_that_ends_earlier_has_a_shorter_bar(tmp_path: Path, bars: list[Bar]) -> None:
    walk(tmp_path, until=3)
    (bar,) = bars
    assert bar.names[-1] == "period 3/3 · update"
    assert bar.n == bar.total == 19


@pytest.mark.parametrize(("phase", "left"), [("000-score", 3 + 2 * 5), ("001-update", 2 * 5)])
def test_a_walk_that_goes_on_counts_what_lies_ahead(tmp_path: Path, bars: list[Bar], phase: str, left: int) -> None:
    walk(tmp_path, until=3)
    walk(tmp_path, ckpt_path=tmp_path / "checkpoints" / f"period-000003-phase-{phase}.ckpt")
    assert bars[1].names[0] == ("period 3/5 · update" if phase == "000-score" else "period 4/5 · score")
    assert bars[1].n == bars[1].total == left


def test_the_bar_is_taken_away_if_the_walk_fails(tmp_path: Path, bars: list[Bar]) -> None:
    class Failing(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.current_epoch == 5:
                raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        walk(tmp_path, Failing())
    assert bars[0].closed == 1
    assert 0 < bars[0].n < bars[0].total


def test_a_failure_before_the_walk_needs_no_bar(tmp_path: Path, bars: list[Bar]) -> None:
    class Failing(Callback):
        def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        walk(tmp_path, Failing())
    assert bars == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_bar_that_is_disabled_shows_nothing(tmp_path: Path, bars: list[Bar], enabled: bool) -> None:
    progress = PeriodProgress()
    progress.disable()
    if enabled:
        progress.enable()
    walk(tmp_path, progress=progress, until=2)
    assert bars[0].disable is not enabled


def test_the_bar_stands_on_standard_error_and_leaves_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asmg_pl.system.screen.sys.stderr.isatty", lambda: True)
    walk(tmp_path, until=2)
    captured = capsys.readouterr()
    assert "period 2/2" not in captured.out
    assert "period 2/2" in captured.err
    assert "/14" in captured.err
    assert captured.err.endswith("\r")


def test_in_a_file_each_state_of_the_bar_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk(tmp_path, until=2)
    captured = capsys.readouterr()
    assert "period 2/2" in captured.err
    assert "/14" in captured.err
    assert "\r" not in captured.err
    assert captured.err.endswith("\n")


def test_a_phase_that_learns_its_rows_on_the_way_is_counted_too(tmp_path: Path, bars: list[Bar]) -> None:
    walk(tmp_path, kind=SPMF, reservoir_share=1.0, replay=1.0)
    (bar,) = bars
    assert bar.n == bar.total > bar.planned
