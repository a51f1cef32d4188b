"""Comparing methods: the same rows, the same seeds, the same pre-trained model."""

# %% [markdown]
# One seed decides all that is random in a walk: the initial model, the order of the rows, dropout. With one seed, all
# methods that share a base model start from one pre-trained model, so that a difference is the method's.

# %%
from functools import partial

import polars as pl

from asmg_pl import ASMG, DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, walk
from asmg_pl.updaters import EWC

methods = {"incremental": IncrementalUpdate, "ewc": EWC, "asmg": partial(ASMG, window=3)}
settings = {"pretrain_periods": 3, "pretrain_epochs": 3, "test_from": 8}
stream = DriftingStream(users=200, items=60, rows=6_000, interest_drift=0.2, trend=3.0, season=0.75)

# %%
walks = []
for seed in (1, 2):
    data = PeriodDataModule(stream, periods=EqualCounts(12), batch_size=64, seed=seed)
    for name, method in methods.items():
        scores = walk(partial(method, **settings), data, enable_progress_bar=False).frame()
        walks.append(scores.select("period", "split", "serving_auc").with_columns(method=pl.lit(name), seed=seed))
tested = pl.concat(walks).filter(pl.col("split") == "test")

# %% [markdown]
# Periods differ much more than methods do. So methods are compared period by period: the lift is the mean of the
# differences on the same period with the same seed.

# %%
baseline = tested.filter(method="incremental").select("seed", "period", base="serving_auc")
lift = (
    tested.join(baseline, on=["seed", "period"])
    .group_by("method", maintain_order=True)
    .agg(auc=pl.col("serving_auc").mean(), lift=(pl.col("serving_auc") - pl.col("base")).mean(), cells=pl.len())
)
print(lift)

# %% [markdown]
# `asmg compare` does this on the command line: it walks all methods with all seeds, goes on where it was stopped, and
# gives the lift an interval. `asmg report` draws it. See the guide "Comparing experiments".
