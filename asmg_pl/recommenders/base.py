"""The interface between updaters and recommenders.

A recommender names the rows of its embedding tables that a batch needs, and scores the batch from their vectors. The
caller provides the vectors: from the recommender's own tables, or from a generator, for these rows only, here or on
another device. So any updating method works with any recommender, and a training step does not touch whole tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from asmg_pl.data.batch import Batch
from asmg_pl.randomness.keyed import uniform
from asmg_pl.recommenders.lookup import Lookup, Request
from asmg_pl.recommenders.ranked import asked_together, ranked_logits
from asmg_pl.recommenders.row_access import Deferred, Owners
from asmg_pl.recommenders.sides import TwoSided
from asmg_pl.recommenders.touched import RowsOf, touched_rows


class Recommender(nn.Module, ABC):
    """A model with embedding tables and, beside them, dense parameters.

    A subclass fills ``self.tables`` and defines :meth:`lookups` and :meth:`score`. All its other parameters are dense.
    ``score`` must read table vectors from its argument only.

    Attributes:
        tables: the embedding tables by name.
        row_wise: whether a table's gradient is sparse, with the rows that the batch touches. A table much smaller than
            the number of ids in a batch keeps its dense gradient.
        owners: by name, the ways to rows of tables that other processes hold in part; empty if all rows are at hand.
        known: by name, how many rows of a table at hand have appeared by now. The rows after them wait for their first
            interaction, and nothing may depend on their number. In a table without an entry, all rows have appeared.
        row_of: by name, the row of each id, int32 [ids + 1], of tables whose ids come and go
            (:class:`~asmg_pl.data.lifetimes.Lifetimes`); its last entry stands for all further ids. In a table without
            an entry, an id is the number of its row.
        deferred: the optimiser that moves rows when they are next read; ``None`` if each step moves all rows. Whatever
            reads tables through the methods of this class reads current rows.

    Examples:
        A bias for each item, and one for all:

        >>> class Popularity(Recommender):
        ...     def __init__(self, sizes):
        ...         super().__init__()
        ...         self.tables = nn.ModuleDict({"item": nn.Embedding(sizes.items, 1)})
        ...         self.bias = nn.Parameter(torch.zeros(1))
        ...
        ...     def lookups(self, batch):
        ...         return {"item": batch.item}
        ...
        ...     def score(self, batch, lookups):
        ...         return lookups["item"].vectors().squeeze(-1) + self.bias
        >>> from asmg_pl.testing import check_recommender
        >>> check_recommender(Popularity)
    """

    tables: nn.ModuleDict
    row_wise: bool = False
    owners: Mapping[str, Owners] = MappingProxyType({})
    known: Mapping[str, int] = MappingProxyType({})
    row_of: Mapping[str, Tensor] = MappingProxyType({})
    deferred: Deferred | None = None

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Make a recommender that knows with which arguments it was built."""
        made = super().__new__(cls)
        made.__dict__["_built_with"] = arguments, named
        return made

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin without tables and parameters."""
        super().__init__(*args, **options)
        self.register_state_dict_pre_hook(_catch_up)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_catch_up)  # type: ignore[no-untyped-call]

    def init_args(self) -> dict[str, Any]:
        """The arguments that the recommender was built with, by name, without the sizes.

        With them a serving package builds it again. A subclass whose arguments are no plain values (numbers, texts,
        lists, recommenders) overrides this method.
        """
        arguments, named = self.__dict__["_built_with"]
        bound = signature(type(self).__init__).bind(self, *arguments, **named)
        bound.apply_defaults()
        found: dict[str, Any] = {}
        for name, value in [*bound.arguments.items()][2:]:
            kind = bound.signature.parameters[name].kind
            found |= value if kind is Parameter.VAR_KEYWORD else {name: value}
        return found

    @abstractmethod
    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """The ids that the batch needs of each table, int64 [B, …]."""

    @abstractmethod
    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B] from the looked-up vectors and the dense parameters."""

    def forward(self, batch: Batch, lookups: Mapping[str, Lookup] | None = None) -> Tensor:
        """Logits [B]. Vectors are looked up in the recommender's own tables, unless ``lookups`` are given.

        Of a mini-batch with candidates, the logits are [B, 1+C]: the row's item comes first.
        """
        if lookups is None:
            lookups = self._look_up(self.requests(batch))
        return self.score(batch, lookups) if batch.candidates is None else ranked_logits(self, batch, lookups)

    def score_with(self, dense: Mapping[str, Tensor], batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """The logits of :meth:`forward` from other dense parameters, by module path.

        Tables are not read, so that their rows may wait.
        """
        deferred, self.deferred = self.deferred, None
        try:
            logits: Tensor = functional_call(self, dict(dense), (batch, lookups))
        finally:
            self.deferred = deferred
        return logits

    def requests(self, batch: Batch) -> dict[str, Request]:
        """What the batch asks each table for; see :attr:`owners`. The rows asked for are current."""
        asked = self.lookups(batch)
        elsewhere = dict.fromkeys(asked, batch.total - batch.label.shape[0])
        if batch.candidates is not None:
            elsewhere = {name: rows * asked[name].shape[1:].numel() for name, rows in elsewhere.items()}
            asked = asked_together(self, batch)
        for name in asked.keys() & self.row_of.keys():
            rows = self.row_of[name]
            asked[name] = rows[asked[name].clamp(max=len(rows) - 1)].long()
        owners = self.owners
        found = {
            name: owners[name](ids)
            if name in owners
            else Request(ids, rows_on_other_ranks=elsewhere[name], known=self.rows_known(name))
            for name, ids in asked.items()
        }
        if self.deferred is not None:
            self.deferred.prepare(found)
        return found

    def _look_up(self, requests: Mapping[str, Request]) -> dict[str, Lookup]:
        tables = {name: self.stored(name) for name in requests}
        moved = self._moved_rows(requests, tables)
        return {
            name: request.answer(*(moved[name][1:] if name in moved else (tables[name], request.rows)))
            for name, request in requests.items()
        }

    def _moved_rows(
        self, requests: Mapping[str, Request], tables: Mapping[str, nn.Parameter]
    ) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """The distinct rows of requests, their vectors, and each id's place, of tables of which a step moves these."""
        if not torch.is_grad_enabled():
            return {}
        found = {}
        for name, request in requests.items():
            if (rows := self._rows_to_move(name, tables[name], request)) is not None:
                found[name] = rows
        if not found:
            return {}
        rows, vectors, places = zip(*found.values(), strict=True)
        moved = RowsOf.apply(rows, vectors, *(tables[name] for name in found))  # type: ignore[no-untyped-call]
        return dict(zip(found, zip(rows, moved, places, strict=True), strict=True))

    def _rows_to_move(self, name: str, table: nn.Parameter, request: Request) -> tuple[Tensor, Tensor, Tensor] | None:
        if not table.requires_grad:
            return None
        known = self._known_of(name, table) if request.known is None else request.known
        if self.deferred is not None:
            return self.deferred.read(name, request, known)
        if not self.row_wise:
            return None
        rows, (places,) = touched_rows([request.rows], known, request.rows_on_other_ranks)
        return None if len(rows) == known else (rows, table.detach().index_select(0, rows), places)

    def distinct_rows(self, name: str, request: Request) -> tuple[Tensor, Tensor, Tensor]:
        """The distinct rows that a request needs, for a step that reads something of these rows beside their vectors.

        Returns:
            The rows, int64 [n]; their vectors, float [n, D]; and the place of each id among them, int64.
        """
        if found := self._moved_rows({name: request}, {name: self.stored(name)}):
            return found[name]
        rows, (places,) = touched_rows([request.rows], self.rows_known(name), request.rows_on_other_ranks)
        return rows, F.embedding(rows, self.stored(name)), places

    def rows_known(self, name: str) -> int:
        """The number of rows at hand of a table that have appeared by now, see :attr:`known`."""
        return self._known_of(name, self.stored(name))

    def _known_of(self, name: str, table: nn.Parameter) -> int:
        rows = table.shape[0]  # which len takes ten times as long to tell
        return min(self.known.get(name, rows), rows)

    def ids_at(self, name: str, places: Tensor) -> Tensor:
        """The row numbers of a table at these places of the rows at hand, int64 [n]."""
        return self.owners[name].ids_at(places) if name in self.owners else places

    def places_of(self, name: str, rows: Tensor) -> Tensor:
        """The places at hand of those of these rows of a table, int64 [n], that this process holds, int64 [m]."""
        return self.owners[name].places_of(rows) if name in self.owners else rows

    def rows_in_all(self, name: str) -> int:
        """The number of rows of a table, those included that other processes hold."""
        return self.owners[name].rows if name in self.owners else len(self.stored(name))

    def sides(self) -> TwoSided | None:
        """What scores many items of one user from sides that are joined; ``None`` if nothing of it does."""
        return self if isinstance(self, TwoSided) else None

    def initial_rows(self, name: str, rows: Tensor, width: int, known: int, seed: int) -> Tensor:
        """The initial vectors of rows of a table, the same whether a row is drawn alone or with others.

        They are Glorot uniform by default, for a table of ``known`` rows. A subclass with other initial vectors
        overrides this method; the values that its ``__init__`` puts into tables are not kept. A row must depend on
        these arguments alone, since rows that appear later are drawn later, or by other processes.

        Args:
            name: the table.
            rows: the row numbers, int64 [n].
            width: the numbers in a row, D.
            known: how many rows of the table pre-training has seen, at least 1.
            seed: the walk's seed, see :func:`asmg_pl.randomness.keyed.uniform`.

        Returns:
            float [n, D] on the device of ``rows``.
        """
        return uniform(rows, width, seed, "table", name) * glorot_limit(known, width)

    def stored(self, name: str) -> nn.Parameter:
        """The weight of a table, float [N, D], of whose rows only those of the newest requests need be current."""
        return self.tables[name].weight  # type: ignore[return-value]

    def table(self, name: str) -> nn.Parameter:
        """The weight of a table, float [N, D], whose rows are all current."""
        self.catch_up(name)
        return self.stored(name)

    def tables_of(self, kind: str) -> list[str]:
        """The names of the tables whose rows are those of users, or of items: ``"user"`` or ``"item"``."""
        return [name for name in self.tables if name.startswith(kind)]

    def table_parameters(self) -> dict[str, nn.Parameter]:
        """The weights of all tables by name."""
        return {name: self.table(name) for name in self.tables}

    def dense_parameters(self) -> dict[str, nn.Parameter]:
        """All other parameters by their module path."""
        return {name: p for name, p in super().named_parameters() if not name.startswith("tables.")}

    # ---- rows that wait for their steps

    def catch_up(self, name: str | None = None) -> None:
        """Make all rows of a table current, or those of all tables; see :attr:`deferred`."""
        if self.deferred is not None:
            self.deferred.catch_up(name)

    def named_parameters(self, *args: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters, whose rows are current."""
        self.catch_up()
        yield from super().named_parameters(*args, **options)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy gets: current rows, and no optimiser."""
        self.catch_up()
        return {name: value for name, value in self.__dict__.items() if name != "deferred"}


def _catch_up(recommender: Recommender, *state: Any) -> None:
    """Before its state is saved or replaced, rows take their steps; when it is replaced, for their moments' sake."""
    recommender.catch_up()


def glorot_uniform_(tensor: Tensor) -> Tensor:
    """Fill a tensor in place by the Glorot uniform law. A vector [n] has fan-in = fan-out = n, as in the paper."""
    rows, columns = tensor.shape if tensor.ndim == 2 else (len(tensor), len(tensor))
    limit = glorot_limit(rows, columns)
    return nn.init.uniform_(tensor, -limit, limit)


def glorot_limit(fan_in: int, fan_out: int) -> float:
    """The largest number of the Glorot uniform law."""
    return (6.0 / (fan_in + fan_out)) ** 0.5
