"""Your own recommender: two methods, and any updater keeps it fresh."""

# %% [markdown]
# A recommender says which rows of which table a mini-batch needs (`lookups`), and scores from their vectors (`score`).
# It reads the vectors from its argument only: they come from its tables, or from a generator.

# %%
from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from asmg_pl import ASMG, DriftingStream, EqualCounts, PeriodDataModule, Recommender, walk
from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import Lookup
from asmg_pl.testing import check_recommender


class Bilinear(Recommender):
    """Logit = user · W item."""

    def __init__(self, sizes: Sizes, embedding_dim: int = 8) -> None:
        """Build two tables and the dense W."""
        super().__init__()
        self.tables = nn.ModuleDict(
            {"user": nn.Embedding(sizes.users, embedding_dim), "item": nn.Embedding(sizes.items, embedding_dim)}
        )
        self.between = nn.Linear(embedding_dim, embedding_dim, bias=False)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that the batch needs of each table."""
        return {"user": batch.user, "item": batch.item}

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        return (self.between(lookups["user"].vectors()) * lookups["item"].vectors()).sum(-1)


# %% [markdown]
# The rules that the rest relies on are checked in a second. A broken one is named, with what to write instead.

# %%
check_recommender(Bilinear)

# %%
stream = DriftingStream(users=200, items=60, rows=9_000, interest_drift=0.2, trend=3.0, season=0.75)
data = PeriodDataModule(stream, periods=EqualCounts(12), batch_size=64)
method = partial(ASMG, recommender=partial(Bilinear, embedding_dim=4), pretrain_periods=3, test_from=8)
print(walk(method, data))

# %% [markdown]
# On the command line it is chosen by its path, `asmg fit … --model.init_args.recommender bilinear.Bilinear`, if it
# stands in a file `bilinear.py` of the working folder.
