"""Your own updater: what happens when a period arrives."""

# %% [markdown]
# An updater lists the phases that follow a period's arrival. The first is always `self.scoring(period)`. This one
# trains as the plain update does, and serves a moving average of the models so far.

# %%
import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from asmg_pl import DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, Recommender, Updater, walk
from asmg_pl.data import Sizes
from asmg_pl.testing import check_updater
from asmg_pl.updaters import Phase


class Averaged(Updater):
    """Serves a moving average of the incremental models."""

    def __init__(self, sizes: Sizes, keep: float = 0.5, **base: Any) -> None:
        """Build the base model and the average.

        Args:
            sizes: numbers of users, items and categories.
            keep: what of the average stays when a period has been trained on, from 0 to 1.
            base: arguments of `Updater`.
        """
        super().__init__(sizes, **base)
        self.keep = keep
        self.serving = copy.deepcopy(self.recommender).requires_grad_(False)

    def phases(self, period: int) -> list[Phase]:
        """Score, update; then the average moves on."""
        return [self.scoring(period), *self.updating(period, end=self.average)]

    def scored_models(self) -> Mapping[str, Recommender]:
        """Both models are scored; "serving" answers requests."""
        return {"incremental": self.recommender, "serving": self.serving}

    def pretrained(self) -> None:
        """The pre-trained model serves first."""
        self.serving.load_state_dict(self.recommender.state_dict())

    @torch.no_grad()
    def average(self) -> None:
        """Move the average towards the newest model."""
        for served, newest in zip(self.serving.parameters(), self.recommender.parameters(), strict=True):
            served.lerp_(newest, 1 - self.keep)


# %% [markdown]
# Does it score before it trains? Does a killed walk go on with the same numbers, after any phase? Does nothing leak
# from later rows? A dozen short walks tell, in some seconds.

# %%
check_updater(Averaged)

# %%
stream = DriftingStream(users=200, items=60, rows=9_000, interest_drift=0.2, trend=3.0, season=0.75)
data = PeriodDataModule(stream, periods=EqualCounts(12), batch_size=64)
settings = {"pretrain_periods": 3, "pretrain_epochs": 5, "test_from": 8}
for method in (IncrementalUpdate, partial(Averaged, keep=0.3), partial(Averaged, keep=0.7)):
    print(walk(partial(method, **settings), data, enable_progress_bar=False))
