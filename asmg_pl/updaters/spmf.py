"""SPMF: the incremental update, with rows replayed from a reservoir of the past.

D_t arrives ─▶ score ─▶ rank     the reservoir's positive rows, by the current model
                     ─▶ update   on D_t and the rows drawn, oldest first;  then D_t's rows may enter the reservoir
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.loader import randomness
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.distributed.processes import gathered
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.walking.phase import Phase, nothing

LABELS = (0, 1)


class SPMF(Updater):
    """Replays, with each new period, rows that the model has come to score low.

    Positives and negatives have a reservoir each, a uniform sample of the rows so far, except that rows of one period
    never replace each other. For each positive row of a new period, ``replay`` positives are drawn from the reservoir,
    without replacement, with weights exp(rank / size) in the order of descending score. Negatives are drawn in the same
    way with equal weights. Source:
    Wang et al., "Streaming Ranking Based Recommender Systems" (SIGIR 2018), as run by Peng et al. (2021).

    Attributes:
        reservoir: for each label, the positions of the sampled rows, int64 [n].
        training_rows: the rows of the running update, int64 [n], oldest first.

    Examples:
        >>> method = SPMF(Sizes(users=9, items=9), reservoir_share=0.3)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'rank', 'update']
    """

    def __init__(self, sizes: Sizes, reservoir_share: float = 0.3, replay: float = 0.5, **base: Any) -> None:
        """Build the base model.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            reservoir_share: size of the reservoirs as a share of the pre-training rows of their label, f.
            replay: rows drawn per row of the new period, ρ.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        if not self.pretrain_periods:
            raise ConfigError("SPMF fills its reservoir in pre-training: model.pretrain_periods must be at least 1")
        if not 0 < reservoir_share <= 1:
            raise ConfigError(f"model.reservoir_share must be above 0 and at most 1, got {reservoir_share}")
        if replay < 0:
            raise ConfigError(f"model.replay must not be negative, got {replay}")
        self.reservoir_share = reservoir_share
        self.replay = replay
        self.reservoir = {label: torch.zeros(0, dtype=torch.int64) for label in LABELS}
        self.training_rows = torch.zeros(0, dtype=torch.int64)
        self._scores: list[Tensor] = []

    def phases(self, period: int) -> list[Phase]:
        """Score, rank, update."""
        fill = self.fill if period == self.pretrain_periods + 1 else nothing
        positives = Reading("rank", period, (), training=False, rows=self.reservoir[1], negatives=False)
        ranking = Phase(positives, self.rank, end=lambda: self.draw(period))
        last = self.passes - 1
        updates = [
            Phase(
                Reading("update", period, (period,), n, rows=self.training_rows, batch_size=self.batch_size),
                self.update,
                end=(lambda: self.fill_reservoir(period)) if n == last else nothing,
            )
            for n in range(self.passes)
        ]
        return [self.scoring(period, end=fill), ranking, *updates]

    def fill(self) -> None:
        """Fill the reservoirs with a random share of the pre-training rows."""
        pretraining = self.data.rows_of(1, self.pretrain_periods)
        for label in LABELS:
            rows = self._rows_with(label, pretraining)
            order = torch.randperm(len(rows), generator=self._randomness("fill", label))
            self.reservoir[label] = rows[order[: int(len(rows) * self.reservoir_share)]]

    def rank(self, batch: Batch) -> None:
        """Score some of the reservoir's positives."""
        self._scores.append(gathered(self.recommender(batch)).cpu())

    def draw(self, period: int) -> None:
        """Choose the rows of the update from the reservoirs and the new period."""
        new = self.data.rows_of(period)
        chosen = [torch.arange(new.start, new.stop)]
        for label in LABELS:
            rows = self.reservoir[label]
            weights = torch.ones(len(rows))
            if label == 1 and self._scores:
                order = torch.cat(self._scores).argsort(descending=True, stable=True)
                weights[order] = torch.exp(torch.arange(len(rows)) / len(rows))
            count = min(len(rows), int(self.replay * len(self._rows_with(label, new))))
            if count:
                # As torch.multinomial draws without replacement, which refuses more than 2²⁴ rows.
                waits = torch.empty_like(weights).exponential_(generator=self._randomness("draw", period, label))
                chosen.append(rows[(weights / waits).topk(count).indices])
        self._scores = []
        self.training_rows = torch.cat(chosen).sort().values

    def fill_reservoir(self, period: int) -> None:
        """Let each new row in with probability reservoir size / rows of its label so far, in a random row's place.

        If more rows of a long period would enter than there are places, a random choice of them enters.
        """
        new, before = self.data.rows_of(period), self.data.rows_of(1, period - 1)
        for label in LABELS:
            kept, arrived = self.reservoir[label], self._rows_with(label, new)
            generator = self._randomness("admit", period, label)
            earlier = int((self.data.log.between(before.start, before.stop).label == label).sum())
            so_far = earlier + 1 + torch.arange(len(arrived))
            chance = len(kept) / so_far
            entering = arrived[torch.rand(len(arrived), generator=generator) < chance]
            staying = torch.randperm(len(kept), generator=generator)[len(entering) :]
            places = torch.randperm(len(entering), generator=generator)[: len(kept)].sort().values
            self.reservoir[label] = torch.cat([kept[staying], entering[places]])

    def _rows_with(self, label: int, rows: range) -> Tensor:
        return rows.start + (self.data.log.between(rows.start, rows.stop).label == label).nonzero().flatten()

    def _randomness(self, *key: int | str) -> torch.Generator:
        return randomness(self.data.seed, "spmf", *key)

    # ---- Lightning's hooks

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the reservoirs and the rows of the running update."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["reservoir"], checkpoint["training_rows"] = self.reservoir, self.training_rows

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back."""
        super().on_load_checkpoint(checkpoint)
        self.reservoir, self.training_rows = checkpoint["reservoir"], checkpoint["training_rows"]
