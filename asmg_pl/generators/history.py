"""The parameter history: the last k snapshots of a recommender, or all, and the generator's state before them.

    ring      [ Θ_{t-1} | Θ_t | Θ_{t-2} ]      a push overwrites the oldest slot in place
                          ▲ newest
    growing   [ Θ_1 | … | Θ_t ]                a ring that gets one more slot when a push would overwrite
    hidden    h_{t-k}, per coordinate, the state before the oldest snapshot
    counts    of each snapshot's updates, per row, for generators that ask for them

The history is a module: it moves to devices and is saved with the updater. It holds no gradient, since snapshots are
constants to the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from asmg_pl.generators.base import ParameterShapes
from asmg_pl.generators.counts import UpdateCounts
from asmg_pl.generators.stored import StoredRows
from asmg_pl.recommenders.base import Recommender


class ParameterHistory(nn.Module):
    """The last ``window`` snapshots, or all of them. It takes snapshots + hidden_size times the recommender's memory.

    While a growing history gets its next slot, the snapshots of one table are in memory twice. A growing history can be
    loaded from a ``state_dict`` with any number of snapshots.

    Attributes:
        grows: whether all snapshots are kept.
        pushes: how many snapshots have been taken.
        counts: the counts of updates; ``None`` if they are not kept.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model = MatrixFactorization(Sizes(users=9, items=7), embedding_dim=4)
        >>> history = ParameterHistory(model, window=3, hidden_size=2)
        >>> history.push(model)
        >>> window, hidden = history.rows("item", torch.tensor([6, 0]))
        >>> window.shape, hidden.shape, history.pushes
        (torch.Size([3, 2, 5]), torch.Size([2, 5, 2]), 1)
    """

    def __init__(
        self,
        recommender: Recommender,
        window: int | None,
        hidden_size: int,
        state_dtype: torch.dtype = torch.float32,
        counts_updates: bool = False,
        keeps_state: bool = True,
    ) -> None:
        """Allocate the buffers. A slot that has not been pushed yet holds the recommender's initial values.

        Args:
            recommender: the model whose parameters are kept.
            window: number of snapshots, k, at least 1; ``None`` keeps all.
            hidden_size: size of a coordinate's state, H.
            state_dtype: the type in which the state of tables' rows is kept in memory.
            counts_updates: whether the counts of updates are kept with the snapshots.
            keeps_state: whether there is a state to keep. Otherwise each window starts from state 0, which takes no
                memory.
        """
        super().__init__()
        self.grows = window is None
        self.pushes = 0
        self._order = torch.empty(0, dtype=torch.int64)
        self._ordered: tuple[object, ...] = ()
        slots = window or 1
        self.tables, self.hidden = nn.Module(), nn.Module()
        self.hidden_size, self.keeps_state = hidden_size, keeps_state
        for name, table in recommender.table_parameters().items():
            self.tables.register_buffer(name, table.detach().repeat(slots, 1, 1))  # [k, N, D]
            if keeps_state:
                state = table.new_zeros(*table.shape, hidden_size, dtype=state_dtype)
                self.hidden.register_buffer(name, state)  # [N, D, H]
        self.counts = UpdateCounts(recommender.table_parameters(), slots) if counts_updates else None
        self.dense_shapes = {name: p.shape for name, p in recommender.dense_parameters().items()}
        dense = self.flat(recommender)
        self.dense: Tensor
        self.dense_hidden: Tensor
        self.register_buffer("dense", dense.repeat(slots, 1))  # [k, P]
        state = dense.new_zeros(len(dense) if keeps_state else 0, hidden_size)  # [P, H]
        self.register_buffer("dense_hidden", state, persistent=keeps_state)
        if self.grows:
            self.register_load_state_dict_pre_hook(_take_length)  # type: ignore[no-untyped-call]

    @property
    def window(self) -> int:
        """The number of snapshots that are read, k."""
        return len(self.dense)

    @staticmethod
    def flat(recommender: Recommender) -> Tensor:
        """A recommender's dense parameters, concatenated, float [P]."""
        dense = [*recommender.dense_parameters().values()]
        none = torch.zeros(0, device=(dense or [next(recommender.parameters())])[0].device)  # torch.cat needs a tensor
        return torch.cat([none, *(p.detach().flatten() for p in dense)])

    @staticmethod
    def shapes_of(recommender: Recommender, window: int | None) -> ParameterShapes:
        """The shapes for a generator over a history of this recommender."""
        tables = {name: table.shape[1] for name, table in recommender.table_parameters().items()}
        dense = {name: p.numel() for name, p in recommender.dense_parameters().items()}
        return ParameterShapes(tables, dense, window)

    @property
    def order(self) -> Tensor:
        """Slots from the oldest snapshot to the newest, int64 [k]; a push changes them."""
        now = self.pushes, self.window, self.dense.device
        if self._ordered != now:
            slots = [(self.pushes + i) % self.window for i in range(self.window)]
            self._order, self._ordered = torch.tensor(slots, device=self.dense.device), now
        return self._order

    def resize(self, slots: int) -> None:
        """Keep the first slots, or add slots that repeat the last one until they are written."""
        kept = torch.arange(slots, device=self.dense.device).clamp(max=self.window - 1)
        for name, snapshots in self.tables.named_buffers():
            self.tables.register_buffer(name, snapshots.index_select(0, kept))
        self.dense = self.dense.index_select(0, kept)
        if self.counts:
            self.counts.resize(kept)

    @torch.no_grad()
    def fill(self, recommender: Recommender) -> None:
        """Let the tables of all snapshots be those of a recommender."""
        for name, table in recommender.table_parameters().items():
            self.tables.get_buffer(name).copy_(table)

    @torch.no_grad()
    def push(self, recommender: Recommender) -> None:
        """Copy the recommender's parameters over the oldest snapshot, or behind the newest if the history grows."""
        if self.grows and self.pushes == self.window:
            self.resize(self.window + 1)
        slot = self.pushes % self.window
        for name, table in recommender.table_parameters().items():
            self.tables.get_buffer(name)[slot].copy_(table)
        self.dense[slot].copy_(self.flat(recommender))
        if self.counts:
            self.counts.push(slot, before=(self.pushes - 1) % self.window)
        self.pushes += 1

    def stored(self, name: str, rows: Tensor | range, asked: Tensor | None = None) -> StoredRows:
        """Some rows of a table in all snapshots, with their state and counts, where they stand.

        Args:
            name: the table.
            rows: which rows, int64 [n], or a range of rows.
            asked: after which snapshots each row is read, bool [k, n]; by default after all.
        """
        counts = None if self.counts is None else self.counts.snapshots.get_buffer(name)
        snapshots = self.tables.get_buffer(name)
        state = self.hidden.get_buffer(name) if self.keeps_state else self._no_state(snapshots.shape[2])
        return StoredRows(snapshots, self.order, state, rows, counts, asked)

    def rows(self, name: str, ids: Tensor) -> tuple[Tensor, ...]:
        """Copies of a table's rows, see :meth:`~asmg_pl.generators.stored.StoredRows.copied`."""
        return self.stored(name, ids).copied()

    def stored_dense(self) -> StoredRows:
        """The dense coordinates as the only row of a table of P columns."""
        state = self.dense_hidden[None] if self.keeps_state else self._no_state(self.dense.shape[1])
        return StoredRows(self.dense[:, None], self.order, state, range(1))

    def dense_window(self) -> tuple[Tensor, Tensor]:
        """The dense coordinates in all snapshots, oldest first, float [k, P], and their state, float [P, H]."""
        state = self.dense_hidden if self.keeps_state else self.dense.new_zeros(self.dense.shape[1], self.hidden_size)
        return self.dense.index_select(0, self.order), state

    def states(self) -> list[Tensor]:
        """All tensors of the state that is kept; none if each window starts from state 0."""
        return [*self.hidden.buffers(), self.dense_hidden] if self.keeps_state else []

    def _no_state(self, width: int) -> Tensor:
        """The state of no row of a table, [0, D, H], which stands for a state of 0 in all rows."""
        return self.dense.new_empty(0, width, self.hidden_size)

    def forget(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Leave out of a module's ``state_dict`` the state that is not kept, which is 0 in it."""
        if not self.keeps_state:
            for name in [name for name in state_dict if name.startswith((f"{prefix}hidden.", f"{prefix}dense_hidden"))]:
                del state_dict[name]

    def split_dense(self, flat: Tensor) -> dict[str, Tensor]:
        """Concatenated dense coordinates [P] as the recommender's parameters by name."""
        parts = flat.split([shape.numel() for shape in self.dense_shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.dense_shapes.items(), parts, strict=True)}

    def get_extra_state(self) -> dict[str, Any]:
        """The ring's position, for ``state_dict``."""
        return {"pushes": self.pushes}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the ring's position."""
        self.pushes = state["pushes"]


def _take_length(history: ParameterHistory, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
    """Before loading, give a growing history as many slots as the state has."""
    if f"{prefix}dense" in state_dict:
        history.resize(len(state_dict[f"{prefix}dense"]))
