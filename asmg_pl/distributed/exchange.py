"""Asks the owners of rows for vectors, through which gradients flow back.

    rank's ids ─ unique ─▶ ids by owner ══▶ the owner's rows ─▶ vectors (looked up, or generated)
                                                                    ║
    Lookup ◀─────────────────────────────── vectors of the ids ◀════╝      backward: gradients go the other way and are
                                                                           added up at the owner

Each arrow ═ is one all-to-all. The traffic depends on the ids of the mini-batch alone, not on the size of a table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.distributed.layout import Layout
from asmg_pl.recommenders.lookup import Lookup, Request


@dataclass
class Traffic:
    """A count of this rank's messages to and from other ranks.

    Attributes:
        messages: the number of all-to-alls.
        sent: the number of bytes sent.
        received: the number of bytes received.
        largest: the number of bytes of the largest tensor that was sent or received.
    """

    messages: int = 0
    sent: int = 0
    received: int = 0
    largest: int = 0

    def note(self, outgoing: Tensor, kept: int, incoming: Tensor) -> None:
        """Count a message; ``kept`` of its rows stay on this rank."""
        sizes = [t.numel() * t.element_size() for t in (outgoing, incoming)]
        stays = kept * outgoing[:1].numel() * outgoing.element_size()
        self.messages += 1
        self.sent += sizes[0] - stays
        self.received += sizes[1] - stays
        self.largest = max(self.largest, *sizes)


class Owners:
    """The owners of a table's rows; this rank is one of them. All ranks must ask at the same points of the program.

    Attributes:
        layout: the division of rows among ranks.
        traffic: the count of messages; several tables may share it.
    """

    def __init__(self, layout: Layout, traffic: Traffic) -> None:
        """Take the layout of a table.

        Args:
            layout: the division of rows among ranks.
            traffic: the count of messages, which grows with each.
        """
        self.layout = layout
        self.traffic = traffic

    def __deepcopy__(self, memo: dict[int, Any]) -> Owners:
        return self  # a copy of a recommender has the same owners

    def __call__(self, ids: Tensor) -> Request:
        """Ask for ids, int64 of any shape. Each distinct id is asked for once."""
        layout = self.layout
        by_owner = layout.owner(ids) * layout.rows + ids  # sort by owner first
        distinct, places = by_owner.unique(return_inverse=True)
        distinct = distinct % layout.rows
        wanted = torch.bincount(layout.owner(distinct), minlength=layout.ranks)
        given = self.exchange(wanted, *[[1] * layout.ranks] * 2)  # the counts go first, one number to each rank
        to, of = torch.stack([wanted, given]).tolist()  # one wait for the device, not two
        asked = self.exchange(distinct, to, of)
        return _RemoteRequest(layout.local(asked), self, places, to, of)

    def ids_at(self, places: Tensor) -> Tensor:
        """See :meth:`Layout.ids_at`."""
        return self.layout.ids_at(places)

    @property
    def rows(self) -> int:
        """The number of rows of the whole table."""
        return self.layout.rows

    def places_of(self, rows: Tensor) -> Tensor:
        """The places among this rank's rows of those of these row numbers that it holds, int64 [m]."""
        return self.layout.local(rows[self.layout.owner(rows) == self.layout.rank])

    def first_of(self, values: Tensor, axis: int = 0) -> Tensor:
        """The entry of the table's first row, which the first rank holds, in a tensor with its rows along an axis."""
        shape = *values.shape[:axis], 1, *values.shape[axis + 1 :]
        own = values.narrow(axis, 0, 1) if self.layout.rank == 0 else values.new_empty(shape)
        found = own.clone(memory_format=torch.contiguous_format)
        dist.broadcast(found, 0)
        return found

    def held(self, rows: int) -> int:
        """The number of the table's first rows that this rank holds."""
        return replace(self.layout, rows=rows).held

    def exchange(self, outgoing: Tensor, to: list[int], of: list[int]) -> Tensor:
        """Send the next ``to[r]`` rows to each rank r, and receive ``of[r]`` rows from it."""
        outgoing = outgoing.contiguous()
        incoming = outgoing.new_empty(sum(of), *outgoing.shape[1:])
        dist.all_to_all_single(incoming, outgoing, of, to)
        self.traffic.note(outgoing, to[self.layout.rank], incoming)
        return incoming


@dataclass(frozen=True)
class _RemoteRequest(Request):
    """A joint request: the rows that all ranks ask of this one, and the places of the answers to its own ids.

    Attributes:
        owners: the owners of the table's rows.
        places: the place of each of this rank's ids among the answers, int64 of the shape of the ids.
        wanted: the number of rows that this rank asks of each rank.
        given: the number of rows that each rank asks of this one.
    """

    owners: Owners
    places: Tensor
    wanted: list[int]
    given: list[int]

    def answer(self, weight: Tensor, index: Tensor) -> Lookup:
        """See :meth:`Request.answer`. Every rank must answer, even if it is asked for no rows."""
        vectors = _Answer.apply(  # type: ignore[no-untyped-call]
            F.embedding(index, weight), self.owners, self.given, self.wanted
        )
        return Lookup(vectors, self.places)

    def times(self) -> Tensor:
        """See :meth:`Request.times`. Every rank must call it."""
        own = torch.bincount(self.places.flatten(), minlength=sum(self.wanted))
        return self.owners.exchange(own.int(), self.wanted, self.given)


class _Answer(torch.autograd.Function):
    """Sends vectors to the ranks that asked for them; backward, their gradients return."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, owners: Owners, to: list[int], of: list[int]) -> Tensor:
        ctx.way_back = owners, of, to
        return owners.exchange(vectors, to, of)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        owners, to, of = ctx.way_back
        return owners.exchange(gradient, to, of), None, None, None
