"""Serving: walk, export, load, recommend, follow the next version."""

# %% [markdown]
# A walk that leaves a serving package after each period. The packages of a run are its store, and `current` in it names
# the one that serves.

# %%
from functools import partial

from asmg_pl import DriftingStream, EqualCounts, IncrementalUpdate, PeriodDataModule, walk
from asmg_pl.callbacks import ServingExport
from asmg_pl.serving import Live

stream = DriftingStream(users=200, items=60, rows=12_000, interest_drift=0.1, season=0.5)
data = PeriodDataModule(stream, periods=EqualCounts(12), batch_size=64)
method = partial(IncrementalUpdate, learning_rate=0.01, pretrain_periods=3, pretrain_epochs=5, test_from=6)
keeping = [ServingExport(keep=3)]
walk(method, data, "runs/serving", until=8, callbacks=keeping)

# %% [markdown]
# `Live` loads the version that serves, from the store alone: a process that answers requests needs neither the run nor
# the stream, and imports no Lightning. Users and items have the names of your data, integers or strings.

# %%
live = Live("runs/serving/serving")
scorer = live.scorer
print(scorer.version, f"{scorer.package.sizes.users} users, {scorer.package.sizes.items} items")
print(scorer.score(7, [5, 14, 15]))
print(scorer.recommend(7, 5))

# %% [markdown]
# The package has each user's history as of its period. What the user did since then is given with the request, the
# latest first. It is not recommended again.

# %%
print(scorer.recommend(7, 5, history=[14, 5]))

# %% [markdown]
# What is unknown has an answer too, and the answer says so. A user who is unknown and has no history gets the most
# popular items.

# %%
stranger = scorer.recommend("someone new", 5)
print(stranger.by, stranger.items, "|", stranger.unknown.words())
print(scorer.recommend("someone new", 5, history=[14, 5, "an item of today"]))

# %% [markdown]
# Many users at once:

# %%
for found in scorer.recommend_users([1, 2, 3], 3):
    print(found.items, found.scores)

# %% [markdown]
# The walk goes on, and the next version is published. `reload()` swaps it in between two requests; `watch()` does so by
# itself. A damaged version is refused, and the old one goes on serving.

# %%
walk(method, data, "runs/serving", until=9, resume=True, callbacks=keeping)
before = live.scorer.version
print("swapped:", live.reload(), before, "->", live.scorer.version)
