"""Tables of a fixed size: ids are hashed into buckets, whatever the stream's growth."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from asmg_pl.data.columns import Columns
from asmg_pl.data.log import InteractionLog
from asmg_pl.data.sources.base import Source
from asmg_pl.errors import ConfigError


class HashedLog(InteractionLog):
    """A log whose ids are buckets, which are not numbered by first appearance."""

    def known(self, rows: int) -> tuple[int, int]:
        """All users and items: a bucket does not tell who in it is new."""
        return self.sizes.users, self.sizes.items

    def items_of(self, rows: int) -> Tensor:
        """See :meth:`InteractionLog.items_of`; all rows are read for it."""
        return self.between(0, rows).item.long().unique()


class Hashed(Source):
    """Another source's stream, with users or items hashed into a fixed number of buckets (the hashing trick).

    Who shares a bucket shares its parameters. A bucket depends on an id alone, and ids on the order of first
    appearance, so a stream that grows changes nothing of its earlier rows, and no table ever grows. A bucket of items
    has the categories of the item in it that appears first. No user and no item counts as new, since a bucket does not
    tell; the metrics of new users and items are then not defined.

    The columns are copied into memory. Source: Weinberger et al., "Feature Hashing for Large Scale Multitask
    Learning", ICML 2009, for the trick.
    """

    def __init__(self, source: Source, users: int | None = None, items: int | None = None, seed: int = 0) -> None:
        """Choose the tables' sizes.

        Args:
            source: the stream.
            users: buckets of users; by default they are not hashed.
            items: buckets of items; by default they are not hashed.
            seed: another seed puts others together.

        Raises:
            ConfigError: if nothing is to be hashed, or into nothing.
        """
        if users is None and items is None:
            raise ConfigError("source.users and source.items are both missing: say into how many buckets to hash")
        for name, buckets in {"users": users, "items": items}.items():
            if buckets is not None and buckets < 1:
                raise ConfigError(f"source.{name} must be at least 1, got {buckets}")
        self.source = source
        self.users = users
        self.items = items
        self.seed = seed

    def read(self, root: Path | None) -> InteractionLog:
        """Read the stream and hash its ids; raises as the stream's source does."""
        log = self.source.read(root)
        sizes = log.sizes._replace(users=self.users or log.sizes.users, items=self.items or log.sizes.items)
        categories = log.categories
        if categories is not None and self.items is not None:
            categories = self._first_in_bucket(categories, self.items)
        parts = tuple(self._hash(part) for part in log.parts)
        return HashedLog(parts, categories, sizes, log.longest_history)

    def _hash(self, part: Columns) -> Columns:
        if self.users is not None:
            part = part._replace(user=self.buckets(part.user, self.users))
        if self.items is not None:
            item, sequence = (self.buckets(column, self.items) for column in (part.item, part.sequence))
            part = part._replace(item=item, sequence=sequence)
        return part

    def buckets(self, ids: Tensor, count: int) -> Tensor:
        """The bucket of each id, int32 like the ids: SplitMix64's finaliser, modulo the number of buckets."""
        mixed = ids.long() + (self.seed * 0x9E3779B9 + 1)
        for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
            mixed = (mixed ^ _shifted(mixed, shift)) * factor
        return ((mixed ^ _shifted(mixed, 31)) & (2**63 - 1)).remainder(count).int()

    def _first_in_bucket(self, categories: Tensor, count: int) -> Tensor:
        items = torch.arange(len(categories))
        bucket = self.buckets(items, count).long()
        first = torch.full((count,), len(items)).scatter_reduce(0, bucket, items, "amin")
        of_bucket = torch.full((count, categories.shape[1]), -1)
        used = first < len(items)
        of_bucket[used] = categories[first[used]]
        return of_bucket


def _shifted(values: Tensor, by: int) -> Tensor:
    """The bits of int64 values moved to the right, with zeros before them."""
    return (values >> by) & ((1 << (64 - by)) - 1)
