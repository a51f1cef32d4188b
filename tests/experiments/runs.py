"""Run folders as walks leave them, with drawn numbers: for tools that only read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

PERIODS, TEST_FROM = np.arange(11, 32), 25
PARAMETERS = ("user", "item", "context_0", "dense")
SOURCE = {"class_path": "asmg_pl.data.sources.Stream"}
PROVENANCE = {
    "walked": "2024-05-06T07:08:09+00:00",
    "code": {"version": "0.2.0", "commit": f"{'0123456789' * 4}-dirty"},
    "stream": {
        **{"fingerprint": "fedcba9876543210" * 4, "rows": 93_000, "periods": 31, "users": 800, "items": 500},
        **{"categories": 0, "context": ["device <b>"]},
    },
}


def write_run(
    folder: Path, updater: str = "IncrementalUpdate", lift: float = 0.0, seed: int = 1234, **settings: Any
) -> Path:
    """Write ``config.yaml``, ``provenance.json``, ``metrics.csv``, ``timings.csv`` and, for ASMG, ``learned.csv``.

    Args:
        folder: where to.
        updater: class of the method; ``ASMG`` is scored beside its incremental model, which is the same in all runs
            with one seed.
        lift: how far the method's AUC lies above that.
        seed: of the walk.
        settings: of the model; ``share``, ``openness`` and ``coefficient`` say which quantities ``learned.csv`` has.
    """
    folder.mkdir(parents=True)
    stream, draw = np.random.default_rng(0), np.random.default_rng(seed)
    count = len(PERIODS)
    new = 30 + np.round(300 * np.exp(-np.arange(count) / 5) + stream.integers(0, 40, count)).astype(int)
    base = 0.78 + 0.012 * np.sin(PERIODS / 2) + draw.normal(0, 0.002, count)
    auc = (
        base + lift * np.minimum(1, np.arange(count) / 6) + np.random.default_rng(len(updater)).normal(0, 0.001, count)
    )
    columns: dict[str, Any] = {
        "period": PERIODS,
        "split": ["selection", *["warm-up"] * (count - 8), *["test"] * 7],
        "rows": stream.integers(2900, 3100, count),
        "positives": stream.integers(1300, 1500, count),
        "new_user_rows": new,
        "new_item_rows": new // 3,
    }
    if updater == "ASMG":
        columns |= {"incremental_auc": base, "incremental_logloss": 1.33 - base}
    columns |= {"serving_auc": auc, "serving_logloss": 1.33 - auc}
    pl.DataFrame(columns).write_csv(folder / "metrics.csv")
    phases = ["score", "generate", "update"] if updater == "ASMG" else ["score", "update"]
    places = [(period, phase) for period in PERIODS for phase in phases]
    timings = {
        "period": [period for period, _ in places],
        "phase": [phase for _, phase in places],
        "pass": 1,
        "mini_batches": 12,
        "steps": [0 if phase == "score" else 12 for _, phase in places],
        "seconds": draw.uniform(0.5, 0.7, len(places)).round(4) * (len(phases) - 1),
        "peak_mib": 420.0 + 30 * len(phases) + np.linspace(0, 40, len(places)).round(1),
    }
    pl.DataFrame(timings).write_csv(folder / "timings.csv")
    kinds = [kind for kind in ("share", "openness", "coefficient") if settings.pop(kind, False)]
    model = {"class_path": f"asmg_pl.updaters.{updater}", "init_args": {"learning_rate": 1e-3, "passes": 1} | settings}
    data = {"batch_size": 256, "source": SOURCE, "root": "streams/clicks"}
    config = {"seed_everything": seed, "model": model, "data": data}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "provenance.json").write_text(json.dumps(PROVENANCE))
    if updater == "ASMG":
        _learned(kinds, draw).write_csv(folder / "learned.csv")
    return folder


def _learned(kinds: list[str], draw: np.random.Generator) -> pl.DataFrame:
    rows = []
    for period in PERIODS[3:]:
        for place, parameters in enumerate(PARAMETERS):
            found = {"moved": 0.1 + 0.05 * place + 0.01 * (period - 13) + draw.normal(0, 0.01)}
            if "openness" in kinds:
                found["openness"] = 0.5 + 0.01 * (period - 13) * (place - 1.5) + draw.normal(0, 0.004)
            if "coefficient" in kinds:
                found |= {"coefficient_value": 0.1, "coefficient_move": 0.5 - place, "coefficient_earlier_move": 0.0}
            if "share" in kinds:
                lead = 0.02 * (period - 13)
                found |= {"share_1": (1 - lead) / 3, "share_2": 1 / 3, "share_3": (1 + lead) / 3}
            rows += [(period, parameters, quantity, value) for quantity, value in found.items()]
    return pl.DataFrame(rows, schema=["period", "parameters", "quantity", "value"], orient="row")
