"""Walks along streams on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from end_to_end.program import Asmg

from asmg_pl.data.stream import StreamWriter

ROWS = 4000
SHORT = ["--data.periods", "EqualCounts", "--data.periods.count", "8", "--data.batch_size", "50"]
SHORT += ["--model.init_args.pretrain_periods", "3", "--model.init_args.pretrain_epochs", "2"]
SHORT += ["--model.init_args.test_from", "6"]


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    """A stream in which the label depends on the hour and the device, whoever the user and whatever the item."""
    random = np.random.default_rng(0)
    hour, device = random.integers(24, size=ROWS), random.choice(["phone", "desk", "television"], ROWS)
    table = pl.DataFrame(
        {
            "user": random.integers(30, size=ROWS),
            "item": random.integers(40, size=ROWS),
            "label": ((hour >= 12) ^ (device == "phone")).astype(int),
            "time": np.arange(ROWS),
            "hour": hour,
            "device": device,
        }
    )
    writer = StreamWriter(tmp_path / "clicks")
    for part in table.iter_slices(1500):
        writer.append(part)
    return tmp_path / "clicks"


@pytest.mark.parametrize("recommender", ["EmbeddingMLP", "DeepFM"])
def test_context_features_of_a_stream_are_learned_by_base_model_and_generator(
    clicks: Path, tmp_path: Path, asmg: Asmg, recommender: str
) -> None:
    folder = tmp_path / "run"
    model = ["--model", "asmg_pl.updaters.ASMG", "--model.init_args.learning_rate", "0.01"]
    model += ["--model.init_args.recommender", f"asmg_pl.recommenders.{recommender}"]
    model += ["--model.init_args.generator_learning_rate", "1e-3"]
    source = ["--data.source", "asmg_pl.data.sources.Stream", "--data.root", clicks]
    done = asmg("fit", *model, *source, *SHORT, "--trainer.default_root_dir", folder)
    assert done.code == 0, done.err
    scores = pl.read_csv(folder / "metrics.csv").filter(split="test")
    assert scores["incremental_auc"].to_numpy().mean() > 0.9
    assert scores["serving_auc"].to_numpy().mean() > 0.9
