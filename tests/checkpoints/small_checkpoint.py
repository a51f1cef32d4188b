"""The smallest checkpoint that a walk could have written: a place, a parameter and its moments."""

from __future__ import annotations

from typing import Any

import torch


def small_checkpoint(value: float = 1.0) -> dict[str, Any]:
    """A checkpoint after period 3 of 5, of which the first two have pre-trained one parameter of 64 numbers."""
    moments = {"step": torch.tensor(7.0), "exp_avg": torch.zeros(64), "exp_avg_sq": torch.ones(64)}
    scores = {"serving": {"auc": 0.5, "logloss": 0.7}}
    counts = {"rows": 20, "positives": 8, "new_user_rows": 0, "new_item_rows": 1}
    return {
        "pytorch-lightning_version": "2.6.6",
        "epoch": 2,
        "global_step": 7,
        "loops": {"fit_loop": {}},
        "callbacks": {},
        "state_dict": {"recommender.weight": torch.full((64,), value)},
        "optimizer_states": [{"state": {0: moments}, "param_groups": [{"lr": 0.1, "params": [0]}]}],
        "lr_schedulers": [],
        "results": {3: {"period": 3, "split": "test", **counts, "diverged": {}, "scores": scores}},
        "learned": {},
        "best_pretraining_epoch": {},
        "method": "IncrementalUpdate",
        "initial": {"seed": 1, "known": {"user": 1}},
        "place": {"period": 4, "phase": 0, "trained_until": 3},
        "PeriodDataModule": {
            **{"seed": 1234, "rows": 100},
            **{"boundaries": [0, 20, 40, 60, 80, 100], "fingerprint": "0" * 64},
        },
    }
