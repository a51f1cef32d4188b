"""What recommenders of the shared fields have in common: a table for each field, and the scale of numbers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import Recommender
from asmg_pl.recommenders.features import FeatureTables, Part
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.numbers import Numbers
from asmg_pl.recommenders.pooling import field_ids, field_tables


class OfFields(Recommender):
    """A recommender that reads user, item, history, categories and features from tables of one width.

    Attributes:
        features: the categorical and the multi-valued features.
        numbers: scales the numeric features.
    """

    def __init__(self, sizes: Sizes, embedding_dim: int, log_numbers: bool) -> None:
        """Make the tables, whose numbers a subclass chooses with those of its own parameters.

        Args:
            sizes: numbers of users, items and categories (0: no category table), and the features.
            embedding_dim: width of each embedding.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.
        """
        super().__init__()
        tables = {name: nn.Embedding(rows, embedding_dim) for name, rows in field_tables(sizes).items()}
        self.tables = nn.ModuleDict(tables)
        self.features, self.numbers = FeatureTables(sizes), Numbers(sizes.numbers, log_numbers)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """Ids: user [B]; item and history [B, 1+T]; their categories [B, 1+T, C]; features [B] or [B, L]."""
        return field_ids(batch, self.features)

    def further(self, batch: Batch, lookups: Mapping[str, Lookup], part: Part) -> list[Tensor]:
        """The features and the numbers of a side, float [B, …] each."""
        return [*self.features.fields(batch, lookups, part), *self.numbers.columns(batch, part)]
