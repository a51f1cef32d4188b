"""The interaction log: a stream's rows in the order of time, and each user's past stored once.

rows, by time      user  2  0  2  1  0  2  …
item  5  3  4  3  9  1  …
│
sequences, by user       [3 9 …] [3 …] [5 4 …]      the items that make a history, each written once
▲
history of a row   =  the last T entries before its offset, no copy per row
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.errors import DataError


class Sizes(NamedTuple):
    """How many rows each embedding table of a stream needs."""

    users: int
    items: int
    categories: int = 0


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """A stream's interactions, sorted by time; ids are dense and numbered by first appearance.

    Numbering by first appearance means that rows appended later never renumber what came before.

    Attributes:
        user: int32 [rows].
        item: int32 [rows].
        label: uint8 [rows], 1 for a positive interaction.
        time: int64 [rows], seconds or whatever unit the source has; non-decreasing.
        history_end: int64 [rows], the row's history ends (exclusive) at this offset of ``sequence``.
        sequence: int32 [entries], the items that enter histories, grouped by user, oldest first.
        sequence_start: int64 [users], where each user's part of ``sequence`` begins.
        categories: int64 [items, C] padded with -1, or ``None``.
        sizes: the numbers of users, items and categories.
    """

    user: Tensor
    item: Tensor
    label: Tensor
    time: Tensor
    history_end: Tensor
    sequence: Tensor
    sequence_start: Tensor
    categories: Tensor | None
    sizes: Sizes

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def from_frame(
        cls, rows: pl.DataFrame, categories: pl.DataFrame | None = None, positive_history: bool = True
    ) -> InteractionLog:
        """Build a log from a table of interactions.

        Args:
            rows: columns ``user``, ``item`` (integers or strings), ``label`` (0 or 1) and ``time`` (integer). Rows of
                equal time keep their order.
            categories: columns ``item`` and ``categories`` (a list per item). Items without an entry have none.
            positive_history: whether only rows with label 1 enter later histories, or all rows.

        Raises:
            DataError: if there is no row, a value is missing, or a label is neither 0 nor 1.
        """
        if rows.is_empty():
            raise DataError("the stream has no rows: check the source's filters (dates, users) against the file")
        for name in ("user", "item", "label", "time"):
            if missing := rows[name].null_count():
                raise DataError(f"column {name!r} of the stream has {missing} missing values: drop or fill them first")
        if not rows["label"].cast(pl.Int64).is_in([0, 1]).all():
            raise DataError("column 'label' of the stream has values other than 0 and 1: derive a binary label first")
        rows = rows.sort("time", maintain_order=True)
        user, _ = _number_by_first_appearance(rows["user"])
        item, item_names = _number_by_first_appearance(rows["item"])
        label = rows["label"].cast(pl.UInt8).to_numpy().copy()
        time = rows["time"].cast(pl.Int64).to_numpy().copy()
        enters = label.astype(bool) if positive_history else np.ones(len(label), dtype=bool)
        history_end, sequence, sequence_start = _histories(user, item, time, enters)
        catalogue, category_count = (None, 0) if categories is None else _catalogue(item_names, categories)
        catalogue = catalogue if category_count else None
        return cls(
            user=torch.from_numpy(user),
            item=torch.from_numpy(item),
            label=torch.from_numpy(label),
            time=torch.from_numpy(time),
            history_end=torch.from_numpy(history_end),
            sequence=torch.from_numpy(sequence),
            sequence_start=torch.from_numpy(sequence_start),
            categories=catalogue,
            sizes=Sizes(len(sequence_start), len(item_names), category_count),
        )

    def to(self, device: torch.device) -> InteractionLog:
        """The log with its columns on ``device``; itself if they are there already."""
        if self.user.device == device:
            return self
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return InteractionLog(**{**vars(self), **moved})

    def batch(self, rows: Tensor, history_size: int) -> Batch:
        """Gather the rows with these positions (int64 [B]), with histories of at most ``history_size`` items."""
        user = self.user[rows].long()
        end = self.history_end[rows]
        length = (end - self.sequence_start[user]).clamp_(max=history_size)
        back = torch.arange(history_size, device=rows.device)
        real = back < length[:, None]  # [B, T]
        history = (
            self.sequence[torch.where(real, end[:, None] - 1 - back, 0)].long() if len(self.sequence) else back * real
        )
        return Batch(
            user=user,
            item=self.item[rows].long(),
            history=history.masked_fill_(~real, 0),
            history_length=length,
            label=self.label[rows].float(),
            categories=self.categories,
        )

    def known(self, rows: int) -> tuple[int, int]:
        """How many users and how many items the first ``rows`` rows have: ids from there on are new after them."""
        return (int(self.user[:rows].max()) + 1, int(self.item[:rows].max()) + 1) if rows else (0, 0)

    def fingerprint(self, rows: int) -> str:
        """A digest of the first ``rows`` rows, to tell a stream that has grown from one that has changed.

        It covers users, items, labels, times, the length of histories and the categories of the items that occur.
        """
        user, item = self.user[:rows].long(), self.item[:rows]
        columns = [user, item, self.label[:rows], self.time[:rows], self.history_end[:rows] - self.sequence_start[user]]
        if self.categories is not None:
            known = self.categories[: int(item.max()) + 1 if rows else 0]
            columns += [(known >= 0).sum(1), known[known >= 0]]  # the table's width may grow
        digest = hashlib.sha256()
        for column in columns:
            digest.update(column.cpu().numpy().tobytes())
        return digest.hexdigest()


def _number_by_first_appearance(names: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Dense ids int32 [rows] in the order of first appearance, and the names by id."""
    known = names.unique(maintain_order=True)
    ids = names.to_frame("name").join(
        pl.DataFrame({"name": known, "id": np.arange(len(known), dtype=np.int32)}),
        on="name",
        how="left",
        maintain_order="left",
    )
    return ids["id"].to_numpy().copy(), known


def _histories(
    user: np.ndarray, item: np.ndarray, time: np.ndarray, enters: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's history end, the sequences, and where each user's sequence starts."""
    by_user = np.argsort(user, kind="stable")  # rows grouped by user, still in the order of time
    before = np.cumsum(enters[by_user]) - enters[by_user]  # entries of the sequence before this row
    first_of_user = np.diff(user[by_user], prepend=-1) != 0
    first_of_moment = first_of_user | (np.diff(time[by_user], prepend=time[by_user[0]] - 1) != 0)
    # Rows of the same moment see only what came strictly before it: all take the count at the moment's first row.
    moment_start = np.maximum.accumulate(np.where(first_of_moment, np.arange(len(user)), 0))
    history_end = np.empty(len(user), dtype=np.int64)
    history_end[by_user] = before[moment_start]
    sequence = item[by_user][enters[by_user]]
    return history_end, sequence, before[first_of_user].astype(np.int64)


def _catalogue(item_names: pl.Series, categories: pl.DataFrame) -> tuple[Tensor, int]:
    """Category ids [items, C] padded with -1, numbered by first appearance, and their count."""
    joined = pl.DataFrame({"item": item_names, "id": np.arange(len(item_names))}).join(
        categories.unique("item", keep="first", maintain_order=True), on="item", how="left", maintain_order="left"
    )
    pairs = joined.select("id", "categories").explode("categories").drop_nulls()
    item = pairs["id"].to_numpy()
    category, names = _number_by_first_appearance(pairs["categories"])
    position = np.arange(len(item)) - np.searchsorted(item, item)
    table = np.full((len(item_names), int(position.max(initial=0)) + 1), -1, dtype=np.int64)
    table[item, position] = category
    return torch.from_numpy(table), len(names)
