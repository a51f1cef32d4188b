"""FeSAIL: the incremental update, beside rows of the past that cover users and items without a new row.

D_t arrives ─▶ score
            ─▶ choose   among D_{t-1} and the rows replayed with it, those that cover the stale ids best
            ─▶ update   each mini-batch of D_t beside one of replayed rows: the staler, the more they are held back
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.coverage import cover
from asmg_pl.updaters.losses import cross_entropy, row_mean
from asmg_pl.updaters.walking.phase import Phase

KINDS = ("user", "item")


class FeSAIL(Updater):
    """Replays rows that cover stale ids, and holds back what they look up in proportion to their staleness.

    The staleness s of a user or an item is the number of periods since its last row: 0 if D_t has one. A stale id is
    worth 1/s. The replayed rows are the greedy maximum weighted coverage of the stale ids of D_{t-1} and of the rows
    that were replayed with it; before the first update, of all pre-training rows. The loss is the mean cross-entropy
    over new and replayed rows, plus ``regularization`` times the mean over replayed rows of s · Σ over tables of the
    mean square distance of their vectors from those of Θ_{t-1}; s is that of the row's staler id. Source: Wang et al.,
    "Feature Staleness Aware Incremental Learning for CTR Prediction", IJCAI 2023.

    Two things differ from the paper. A stale id is covered once, also where the buffer has room for more. The distance
    is squared and taken for all vectors that a row looks up, so that any recommender has it.

    Attributes:
        before: Θ_{t-1}.
        replayed: the positions of the rows that are replayed, int64 [n], ascending.
        last_seen: the last period in which each user and each item has a row, by kind, int32 [ids]; 0 for none.

    Examples:
        >>> method = FeSAIL(Sizes(users=9, items=9), replay=0.5)
        >>> [phase.name for phase in method.phases(14)]
        ['score', 'update']
    """

    needs_labels = "it weighs how far each row's vectors have moved"

    def __init__(self, sizes: Sizes, replay: float = 1.0, regularization: float = 1.0, **base: Any) -> None:
        """Build the base model and the model before it.

        Args:
            sizes: numbers of users, items and categories; the command line takes them from the data.
            replay: the most rows that are replayed for each new row; 0 is plain incremental update.
            regularization: how much the distance from the last model weighs against the cross-entropy.
            base: arguments of :class:`~asmg_pl.updaters.base.Updater`.
        """
        super().__init__(sizes, **base)
        for name, value in (("replay", replay), ("regularization", regularization)):
            if not value >= 0:
                raise ConfigError(f"model.{name} must not be negative, got {value}")
        self.replay = replay
        self.regularization = regularization
        self.before = copy.deepcopy(self.recommender).requires_grad_(False)
        self.replayed = torch.zeros(0, dtype=torch.int64)
        self.last_seen = {kind: torch.zeros(0, dtype=torch.int32) for kind in KINDS}
        self._staleness: dict[str, Tensor] = {}

    def phases(self, period: int) -> list[Phase]:
        """Score, choose, update."""
        choosing = self.scoring(period, end=partial(self.choose, period))
        if not len(self.replayed):
            return [choosing, *self.updating(period)]
        replaying = [
            Phase(
                Reading("update", period, (period,), n, beside=self.replayed),
                self.update_beside,
                begin=partial(self.take_staleness, period),
            )
            for n in range(self.passes)
        ]
        return [choosing, *replaying]

    # ---- the rows that are replayed

    def choose(self, period: int) -> None:
        """Choose the rows for the update that follows; Θ_{t-1} is kept."""
        self.before.load_state_dict(self.recommender.state_dict())
        log, new = self.data.log, self.data.rows_of(period)
        if not len(new):
            return
        # What came since the last choice; before the first one, all rows.
        first = max(int(seen.max()) for seen in self.last_seen.values()) if len(self.last_seen["user"]) else 1
        for earlier in range(first, period):
            self._see(earlier)
        newest = self.data.rows_of(first, period - 1) if first < period else range(0)
        rows = torch.cat([self.replayed, torch.arange(newest.start, newest.stop)])
        self._see(period)
        chosen = log.batch(rows, history_size=0)
        ids = [getattr(chosen, kind) for kind in KINDS]
        stale = [period - self.last_seen[kind][of].double() for kind, of in zip(KINDS, ids, strict=True)]
        worth = [torch.where(since > 0, 1 / since, 0) for since in stale]
        self.replayed = rows[cover(ids, worth, budget=int(self.replay * len(new)))]

    def _see(self, period: int) -> None:
        """Note that the ids of a period have a row in it."""
        rows = self.data.rows_of(period)
        columns = self.data.log.between(rows.start, rows.stop)
        for kind, known in zip(KINDS, self.data.log.known(rows.stop), strict=True):
            seen = self.last_seen[kind]
            seen = torch.cat([seen, seen.new_zeros(max(0, known - len(seen)))])
            seen[getattr(columns, kind).long()] = period
            self.last_seen[kind] = seen

    # ---- the update

    def take_staleness(self, period: int) -> None:
        """Put the staleness of all ids on the device, once for each pass."""
        self._staleness = {kind: (period - seen).float().to(self.device) for kind, seen in self.last_seen.items()}

    def update_beside(self, batches: tuple[Batch, Batch]) -> None:
        """Take one step on a mini-batch of new rows and one of replayed rows."""
        new, old = batches
        logits, moved = self.moved(old)
        losses = self.cross_entropy(new) * new.total + cross_entropy(logits, old.label, old) * old.total
        stale = torch.maximum(*(self._staleness[kind][getattr(old, kind)] for kind in KINDS))
        self.step_optimizer(0, losses / (new.total + old.total) + self.regularization * row_mean(stale * moved, old))

    def moved(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits [B], and how far the vectors of each row are from those of Θ_{t-1}, float [B].

        The distance is the mean over a row's ids of a table of the squared distance, summed over tables.
        """
        base, lookups, distances = self.recommender, {}, []
        for name, request in base.requests(batch).items():
            touched, vectors, places = base.distinct_rows(name, request)
            squares = (vectors - self.before.table(name)[touched]).square().sum(1, keepdim=True)
            lookups[name] = request.answer(vectors, places)
            distances.append(request.answer(squares, places).vectors().flatten(1).mean(1))
        return base(batch, lookups), torch.stack(distances).sum(0)

    # ---- Lightning's hooks

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the replayed rows, and when each id had its last row."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["replayed"], checkpoint["last_seen"] = self.replayed, self.last_seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back."""
        super().on_load_checkpoint(checkpoint)
        self.replayed, self.last_seen = checkpoint["replayed"], checkpoint["last_seen"]
