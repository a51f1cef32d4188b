"""The two public streams: their sizes, and the beginning of a walk along each with the shipped configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from end_to_end.program import Asmg

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "config", "rows", "least_auc"),
    [("ml-latest-small", "movielens_small", 3252, 0.55), ("movietweetings", "movietweetings", 4570, 0.65)],
)
def test_a_walk_along_a_real_stream_learns_something(
    asmg: Asmg,
    real_data: Callable[[str], Path],
    tmp_path: Path,
    folder: str,
    config: str,
    rows: int,
    least_auc: float,
) -> None:
    finished = asmg(
        *("fit", "--config", CONFIGS / f"{config}.yaml", "--data.root", real_data(folder)),
        *("--trainer.default_root_dir", tmp_path, "--loop.until", 15, "--model.init_args.pretrain_epochs", 3),
    )
    assert finished.code == 0, finished.err
    table = pl.read_csv(tmp_path / "metrics.csv")
    assert table["period"].to_list() == [11, 12, 13, 14, 15]
    assert (table["rows"] == rows).all()
    for model in ("incremental", "serving"):
        assert table[f"{model}_auc"].is_between(0.5, 1).all()
        assert table[f"{model}_auc"].mean() > least_auc  # type: ignore[operator]
        assert table[f"{model}_logloss"].is_between(0.4, 0.8).all()
    assert table["incremental_auc"][4] != table["generated_auc"][4]
