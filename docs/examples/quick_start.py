"""Quick start: walk a stream, look at the scores, ask the model that serves."""

# %% [markdown]
# A stream of ratings whose tastes keep turning in one direction. It is synthetic, so nothing is downloaded.
# `EqualCounts(12)` cuts it into 12 periods of 1000 rows.

# %%
from functools import partial

import torch

from asmg_pl import ASMG, DriftingStream, EqualCounts, PeriodDataModule, walk
from asmg_pl.data import Batch

stream = DriftingStream(users=200, items=60, rows=12_000, interest_drift=0.2, trend=3.0, season=0.75)
data = PeriodDataModule(stream, periods=EqualCounts(12), batch_size=64, seed=1234)

# %% [markdown]
# The walk takes one period after the other. It scores the period first, and then trains on it. The first three periods
# pre-train the model; from period 8 on the scores count as a test.

# %%
method = partial(ASMG, window=3, pretrain_periods=3, pretrain_epochs=5, test_from=8)
done = walk(method, data)
print(done)

# %% [markdown]
# `frame()` has a row per scored period, as a polars DataFrame. "incremental" is the plain update, "serving" is the
# model that ASMG generates.

# %%
print(done.frame().select("period", "split", "rows", "incremental_auc", "serving_auc"))

# %% [markdown]
# In a notebook, `done.plot()` shows the figure.

# %%
done.plot().savefig("auc.png")

# %% [markdown]
# `serving` answers requests. Which five items does it recommend to the user of the stream's last row?

# %%
last = data.log.batch(torch.tensor([len(data.log) - 1]), data.history_size)
items = data.sizes.items
asked = Batch(
    user=last.user.expand(items),
    item=torch.arange(items),
    history=last.history.expand(items, -1),
    history_length=last.history_length.expand(items),
    label=torch.zeros(items),  # not known, and not looked at
    categories=last.categories,
)
with torch.no_grad():
    probability = done.serving(asked).sigmoid()
best = probability.topk(5)
print(f"user {int(last.user)}:", dict(zip(best.indices.tolist(), best.values.tolist(), strict=True)))

# %% [markdown]
# With a folder, the walk leaves there what `asmg fit` leaves: scores, checkpoints, a plot. It can be stopped at any
# time, and `resume=True` goes on with the same numbers.

# %%
walk(method, data, "runs/quick", until=8)
resumed = walk(method, data, "runs/quick", resume=True)
print("the same numbers:", resumed.frame().equals(done.frame()))
