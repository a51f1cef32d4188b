"""SML: a transfer, learned along the stream, combines the parameters before a period with those trained on it.

D_t arrives ─▶ score     T(w_{t-2}, ŵ_{t-1}) on D_t
            ─▶ transfer  T on D_t, through that model;  then w_{t-1} = T(w_{t-2}, ŵ_{t-1}), from which ŵ_t starts
            ─▶ update    ŵ_t on D_t, through T(w_{t-1}, ŵ_t), which then serves
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.generators import ParameterShapes
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.randomness.keyed import seeded
from asmg_pl.recommenders import Recommender
from asmg_pl.recommenders.touched import chunks
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.checks import check_at_least, check_positive
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.transfer import Transfer
from asmg_pl.updaters.walking.phase import Phase, nothing


class SML(Updater):
    """Serves T(w_{t-1}, ŵ_t). Only the rows that a mini-batch touches are transferred in training.

    Source: Zhang et al., "How to Retrain Recommender System? A Sequential Meta-Learning Method" (SIGIR 2020), as run by
    Peng et al. (2021).

    Attributes:
        before: w_{t-1}; ``recommender`` is ŵ_t.
        transfer: T.
        serving: T(w_{t-1}, ŵ_t), the model that serves.

    Examples:
        >>> method = SML(Sizes(users=9, items=9), pretrain_periods=10)
        >>> [phase.name for phase in method.phases(12)]
        ['score', 'transfer', 'update']
    """

    def __init__(
        self,
        sizes: Sizes,
        transfer: Callable[[ParameterShapes], Transfer] = Transfer,
        transfer_learning_rate: float = 1e-3,
        transfer_passes: int = 1,
        chunk_rows: int = 65536,
        **base: Any,
    ) -> None:
        """Build the base model and the transfer.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            transfer: class of the transfer T, called with the parameter shapes.
            transfer_learning_rate: of the transfer's Adam, whose moments are carried from period to period.
            transfer_passes: how often the transfer goes over a new period.
            chunk_rows: table rows that are transferred at a time when a whole model is made; changes memory only.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        check_at_least(1, transfer_passes=transfer_passes, chunk_rows=chunk_rows)
        check_positive(transfer_learning_rate=transfer_learning_rate)
        self.transfer_learning_rate = transfer_learning_rate
        self.transfer_passes = transfer_passes
        self.chunk_rows = chunk_rows
        self.before = copy.deepcopy(self.recommender).requires_grad_(False)
        self.serving = copy.deepcopy(self.before)
        with seeded(self.initial_draw.seed, "transfer"):
            self.transfer = transfer(ParameterHistory.shapes_of(self.recommender, window=2))

    def phases(self, period: int) -> list[Phase]:
        """Score, train the transfer as soon as there is something to transfer, update."""
        last = self.transfer_passes - 1
        transferring = [
            Phase(Reading("transfer", period, (period,), n), self.train_transfer, self.adopt if n == last else nothing)
            for n in range(self.transfer_passes)
            if period > self.pretrain_periods + 1
        ]
        return [self.scoring(period), *transferring, *self.updating(period, end=self.make_serving)]

    def scored_models(self) -> Mapping[str, Recommender]:
        """The transferred model."""
        return {"serving": self.serving}

    def pretrained(self) -> None:
        """Θ_0 is the first w, and serves first."""
        for model in (self.before, self.serving):
            model.load_state_dict(self.recommender.state_dict())

    def loss(self, batch: Batch) -> Tensor:
        """The cross-entropy of the transferred model."""
        batch = self.ranked(batch)
        asked = self.recommender.requests(batch)
        lookups = {}
        with self.full_precision():
            for name in self.recommender.tables:
                touched, now, places = self.recommender.distinct_rows(name, asked[name])
                rows = self.transfer.table(name, self.before.table(name).index_select(0, touched), now)
                lookups[name] = asked[name].answer(rows, places)
            dense = self._transferred_dense()
        logits = self.recommender.score_with(dense, batch, lookups)
        return self.objective.loss(logits, batch)

    def update(self, batch: Batch) -> None:
        """Take one step of ŵ_t, through the transfer."""
        self.transfer.requires_grad_(False)
        super().update(batch)
        self.transfer.requires_grad_(True)

    def train_transfer(self, batch: Batch) -> None:
        """Take one step of the transfer between two given models."""
        self.recommender.requires_grad_(False)
        self.step_optimizer(1, self.loss(batch))
        self.recommender.requires_grad_(True)

    def adopt(self) -> None:
        """Transfer w and ŵ, and let the result replace both."""
        self.make_serving()
        for model in (self.before, self.recommender):
            model.load_state_dict(self.serving.state_dict())

    @torch.no_grad()
    def make_serving(self) -> None:
        """Transfer the whole model; rows that have not appeared keep their initial values."""
        for name in self.recommender.tables:
            self._serve(name, 0, self.recommender.rows_known(name))
        parameters = self.serving.dense_parameters()
        for name, values in self._transferred_dense().items():
            parameters[name].copy_(values)

    @torch.no_grad()
    def welcome(self, new: Mapping[str, tuple[int, int]]) -> None:
        """Transfer the rows that appear, as all others have been unless Θ_0 serves."""
        if self.place.trained_until > self.pretrain_periods:
            for name, (begin, end) in new.items():
                self._serve(name, begin, end)

    def _serve(self, name: str, begin: int, end: int) -> None:
        """Transfer rows of a table, a chunk at a time."""
        now, before, serving = (model.table(name) for model in (self.recommender, self.before, self.serving))
        for rows in chunks(begin, end, self.chunk_rows, self.device):
            serving[rows] = self.transfer.table(name, before[rows], now[rows])

    def _transferred_dense(self) -> dict[str, Tensor]:
        before = self.before.dense_parameters()
        now = self.recommender.dense_parameters()
        return {name: self.transfer.dense(name, before[name], values) for name, values in now.items()}

    # ---- Lightning's hooks

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The base model's Adam and the transfer's."""
        transfer = Adam(self.transfer.parameters(), lr=self.transfer_learning_rate)
        return [*super().configure_optimizers(), transfer]
