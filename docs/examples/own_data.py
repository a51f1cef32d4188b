"""Your own data: a table in memory, or files of any size."""

# %% [markdown]
# Your rows say who (`user`) met what (`item`) when (`time`, whole numbers), and whether it was a success (`label`, 0 or
# 1). Ids are numbers or texts. Each further column is a context feature, here `device`.

# %%
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl import EqualCounts, IncrementalUpdate, PeriodDataModule, Stream, walk
from asmg_pl.convert import Settings, convert
from asmg_pl.data import InteractionLog
from asmg_pl.data.sources import Source

draw = np.random.default_rng(0)
user, item = draw.integers(50, size=2000), draw.integers(40, size=2000)
rows = pl.DataFrame(
    {
        "user": [f"user-{number}" for number in user],
        "item": item,
        "label": ((user + item) % 2 == 0).astype(int),
        "time": 1_700_000_000 + 3600 * np.arange(2000),
        "device": draw.choice(["phone", "desktop"], size=2000),
    }
)
genres = pl.DataFrame(
    {"item": range(40), "categories": [["even" if number % 2 == 0 else "odd"] for number in range(40)]}
)

# %% [markdown]
# ## A table in memory
# A source is a class with one method. `root` is the folder that the data module was given, and a table needs none.


# %%
class Table(Source):
    """A polars DataFrame as a stream."""

    def __init__(self, rows: pl.DataFrame, categories: pl.DataFrame | None = None) -> None:
        """Keep the rows, and the items' categories."""
        self.rows = rows
        self.categories = categories

    def read(self, root: Path | None) -> InteractionLog:
        """Sort the rows by time and number users and items."""
        return InteractionLog.from_frame(self.rows, self.categories)


method = partial(IncrementalUpdate, pretrain_periods=3, pretrain_epochs=3, test_from=6)
data = PeriodDataModule(Table(rows, genres), periods=EqualCounts(10), batch_size=50)
print(f"{data.sizes.users} users, {data.sizes.items} items, {data.sizes.categories} categories")
in_memory = walk(method, data)
print(in_memory)

# %% [markdown]
# ## Files
# `convert` does what `asmg convert` does. It reads CSV, TSV and Parquet, checks every row, and writes a stream that is
# mapped from disk, so that it may be larger than memory.

# %%
rows.write_csv("clicks.csv")
genres.with_columns(pl.col("categories").list.join("|")).write_csv("items.csv")
meaning = Settings(
    user="user", item="item", time="time", label="label", context=("device",), item_id="item", categories="categories"
)
written = convert(["clicks.csv"], "streams/clicks", meaning, items="items.csv")
print(f"{written.rows:,} rows")

data = PeriodDataModule(Stream(), root="streams/clicks", periods=EqualCounts(10), batch_size=50)
from_disk = walk(method, data)
print("the same numbers:", from_disk.frame().equals(in_memory.frame()))

# %% [markdown]
# ## Periods by the clock
# `Calendar("1w")` cuts time into weeks, each of which ends with the calendar's. See the guide "Your own data".

# %%
from asmg_pl.data import Calendar  # noqa: E402

weekly = PeriodDataModule(Stream(), root="streams/clicks", periods=Calendar("1w"), batch_size=50)
print([len(weekly.rows_of(period)) for period in range(1, weekly.last_period + 1)])
