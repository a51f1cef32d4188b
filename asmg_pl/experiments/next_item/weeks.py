"""The weeks of DIGINETICA: which clicks a model is trained on, and which it is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from zlib import crc32

import polars as pl
import torch
from torch import Tensor

from asmg_pl.data.sources.diginetica import ORIGINAL, TABLE, Diginetica
from asmg_pl.errors import DataError
from asmg_pl.experiments.next_item.sessions import Sessions
from asmg_pl.randomness.keyed import fraction


@dataclass(frozen=True)
class Weeks:
    """Clicks that are cut into weeks. A session that goes on in the next week is another session there.

    Items are numbered by their first click, so the items known by some time are those with the lowest numbers.

    Attributes:
        sessions: of all weeks, week after week.
        ends: the click at which each week ends, and before them 0.
        fingerprint: tells these clicks from others.
    """

    sessions: Sessions
    ends: tuple[int, ...]
    fingerprint: int

    def known(self, week: int) -> int:
        """The number of items that were clicked by the end of a week."""
        return int(self.sessions.items[: self.ends[week + 1]].max()) + 1

    def examples(self, week: int) -> Tensor:
        """The examples of a week, int64."""
        return self.sessions.examples(self.ends[week], self.ends[week + 1])

    def split(self, week: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
        """The examples of a week that are trained on, and those that are held out at random.

        Args:
            week: the week, from 0.
            share: how many are held out, rounded to the nearest number.
            seed: of the draw, which is the same for all methods.
        """
        examples = self.examples(week)
        order = fraction(examples, seed, "held out").argsort(stable=True)
        trained, held_out = order.tensor_split([len(order) - round(share * len(order))])
        return examples[trained.sort().values], examples[held_out.sort().values]

    def tested(self, week: int) -> Sessions:
        """The sessions of a week without its clicks on items that no earlier week has; single clicks are no example."""
        span = slice(self.ends[week], self.ends[week + 1])
        items, session = self.sessions.items[span], (self.sessions.places[span] == 0).cumsum(0)
        seen = items < self.known(week - 1)
        return Sessions.of(session[seen], items[seen])


def cut(clicks: pl.DataFrame, counts: Sequence[int]) -> Weeks:
    """Cut clicks into weeks.

    Args:
        clicks: columns ``user`` (the session) and ``item``, in order of time; at least as many as all weeks have.
        counts: clicks of each week; later clicks are left out.
    """
    kept = clicks.head(sum(counts))
    number = {item: place for place, item in enumerate(kept["item"].unique(maintain_order=True))}
    session = {user: place for place, user in enumerate(kept["user"].unique(maintain_order=True))}
    items = torch.tensor([number[item] for item in kept["item"]])
    users = torch.tensor([session[user] for user in kept["user"]])
    week = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    content = crc32(users.numpy().tobytes(), crc32(items.numpy().tobytes()))
    return Weeks(Sessions.of(week * len(session) + users, items), (0, *accumulate(counts)), content)


def read(root: Path, counts: Sequence[int]) -> Weeks:
    """Read the weeks from the table of clicks.

    Args:
        root: the folder that holds ``clicks.csv.gz``, see :class:`~asmg_pl.data.sources.diginetica.Diginetica`.
        counts: clicks of each week.

    Raises:
        DataError: if the table is missing or damaged, or has fewer clicks.
    """
    if not any((root / name).is_file() for name in (ORIGINAL, TABLE, TABLE.removesuffix(".gz"))):
        raise DataError(
            f"there are no clicks in {root}, neither {TABLE} nor {ORIGINAL}: give the folder that holds "
            f"{root.name}/{TABLE} with --data"
        )
    clicks = Diginetica(negatives=0).clicks(root).sort("time", maintain_order=True)
    if len(clicks) < sum(counts):
        raise DataError(
            f"{root / TABLE} has {len(clicks)} clicks, and the {len(counts)} weeks of this study have {sum(counts)}: "
            "give the folder of the whole table with --data"
        )
    return cut(clicks, counts)
