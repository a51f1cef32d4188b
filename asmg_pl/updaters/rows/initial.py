"""The initial numbers of a recommender, which do not depend on how far its stream goes on.

    tables             row i from (seed, table, i), with a limit from the rows that pre-training has seen
    everything else    as in a recommender that is built for just these rows

So the same rows give the same scores whether the stream ends after them or goes on. A row that is added to a table
later has the numbers that it would have had from the start. Where tables are shared out among processes
(:func:`owners_draw`), tables are built without memory, and each process draws the rows that it gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from asmg_pl.data.sizes import Sizes
from asmg_pl.generators.table_entries import histories_in, models_in
from asmg_pl.randomness.keyed import seeded
from asmg_pl.randomness.outlines import Outlines
from asmg_pl.recommenders import Recommender
from asmg_pl.recommenders.touched import chunks
from asmg_pl.updaters.memory import require, size_of

#: Rows that each table is drawn for where there is no pre-training to see any.
NOMINAL = 1024

#: Rows that are drawn at a time.
CHUNK = 65536

Build = Callable[[Sizes], Recommender]

_owners_draw: ContextVar[bool] = ContextVar("owners_draw", default=False)


@contextmanager
def owners_draw() -> Iterator[None]:
    """A context in which large tables are built without memory, for a walk that shares them out before it reads any."""
    before = _owners_draw.set(True)
    try:
        yield
    finally:
        _owners_draw.reset(before)


def known_sizes(sizes: Sizes, pretrain_periods: int) -> Sizes:
    """The sizes of a stream as far as pre-training will have seen it, for which the initial model is drawn.

    Without pre-training it is :data:`NOMINAL` of each kind that the stream has.
    """
    if not pretrain_periods:
        known = Sizes(NOMINAL, NOMINAL, NOMINAL if sizes.categories else 0, (NOMINAL,) * len(sizes.context))
        lists = tuple(each._replace(values=NOMINAL) for each in sizes.lists)
    else:
        known = sizes.by(pretrain_periods)
        lists = tuple(each._replace(values=max(1, each.values)) for each in known.lists)
    return sizes._replace(
        users=max(1, known.users),
        items=max(1, known.items),
        categories=known.categories,
        context=tuple(max(1, values) for values in known.context),
        lists=lists,
        past=None,
    )


def on_meta(build: Build, sizes: Sizes) -> Recommender | None:
    """A recommender that has shapes and no memory; ``None`` if it needs numbers to be built."""
    try:
        with torch.device("meta"):
            return build(sizes)
    except Exception:  # whatever else is wrong with it shows again where it is built with memory
        return None


def table_rows(build: Build, sizes: Sizes) -> dict[str, int]:
    """How many rows each table of a recommender has for these sizes."""
    with seeded("unused"):
        recommender = on_meta(build, sizes) or build(sizes)
    return {name: max(1, len(table)) for name, table in recommender.table_parameters().items()}


@dataclass(frozen=True)
class Draw:
    """The initial numbers of a walk.

    Attributes:
        seed: of all these numbers.
        known: the rows of each table that pre-training has seen.
    """

    seed: int
    known: Mapping[str, int]

    def build_with_room(self, build: Build, sizes: Sizes, known: Sizes) -> Recommender:
        """A recommender as from :meth:`build`, once it is clear that it fits into memory with its two moments.

        Where owners draw tables, the large ones have no memory yet. A recommender that needs their numbers to be built
        has whole tables all the same.

        Raises:
            ConfigError: if it does not fit, before memory is taken, or after, if it needs numbers to be built.
        """
        if _owners_draw.get() and (outlined := self._outlined(build, sizes, known)) is not None:
            return outlined
        shapes = on_meta(build, sizes)
        if shapes is not None:
            require_room(shapes)
        recommender = self.build(build, sizes, known)
        if shapes is None:
            require_room(recommender)
        return recommender

    def build(self, build: Build, sizes: Sizes, known: Sizes) -> Recommender:
        """A recommender for these sizes, of which some are known when it is drawn."""
        recommender = self._built(build, sizes, known, nullcontext)
        self.fill(recommender)
        return recommender

    def _outlined(self, build: Build, sizes: Sizes, known: Sizes) -> Recommender | None:
        """The same recommender, whose large tables have no memory; ``None`` if it cannot be built without."""
        try:
            recommender = self._built(build, sizes, known, Outlines)
        except Exception:  # whatever else is wrong with it shows again where it is built with memory
            return None
        if any(tensor.is_meta for tensor in beside_tables(recommender).values()):
            return None
        self.fill(recommender)
        return recommender

    @torch.no_grad()
    def _built(
        self, build: Build, sizes: Sizes, known: Sizes, tables: Callable[[], AbstractContextManager[object]]
    ) -> Recommender:
        """A recommender whose numbers are right but for those of its tables, which are built in a context."""
        with seeded(self.seed, "recommender"), tables():
            recommender = build(known)
        if sizes != known:
            small = beside_tables(recommender)
            with seeded(self.seed, "recommender"), tables():
                recommender = build(sizes)
            for name, tensor in beside_tables(recommender).items():
                if name in small and small[name].shape == tensor.shape:
                    tensor.copy_(small[name])
        return recommender

    @torch.no_grad()
    def fill(self, recommender: Recommender) -> None:
        """Draw all rows of its tables that are at hand and have memory."""
        for name, table in recommender.table_parameters().items():
            if table.is_meta:
                continue
            for places in chunks(0, len(table), CHUNK, table.device):
                rows = recommender.ids_at(name, places)
                drawn = recommender.initial_rows(name, rows, table.shape[1], self.known[name], self.seed)
                table[places] = drawn.to(table.dtype)

    def fill_all(self, module: nn.Module, recommender: Recommender) -> None:
        """Draw the tables of all models within a module, and fill all snapshots with the recommender's."""
        for _, model in models_in(module):
            self.fill(model)
        for _, history in histories_in(module):
            history.fill(recommender)


def beside_tables(recommender: Recommender) -> dict[str, Tensor]:
    """A recommender's parameters and buffers that belong to no table, by name."""
    named = chain(recommender.named_parameters(), recommender.named_buffers())
    return {name: tensor for name, tensor in named if not name.startswith("tables.")}


def require_room(recommender: Recommender) -> None:
    """Refuse a recommender that does not fit into memory with its two moments.

    Raises:
        ConfigError: if it does not.
    """
    size = size_of(recommender)
    require({"recommender": size, "moments": 2 * size})
