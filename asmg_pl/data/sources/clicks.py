"""The base of streams of clicks: each row is an action of a user, and negatives are sampled."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.negatives import Candidates, add_negatives
from asmg_pl.data.sources.base import Source
from asmg_pl.data.sources.expected import Expected
from asmg_pl.errors import ConfigError


class ClickSource(Source):
    """Clicks with sampled negatives, which are drawn once. All clicks enter the user's later histories.

    Source: the preprocessing of Peng et al. (RecSys 2021).
    """

    def __init__(
        self,
        negatives: int = 1,
        seed: int = 1234,
        expected: dict[str, int] | None = None,
        candidates: Candidates = "seen",
    ) -> None:
        """Choose the negatives.

        Args:
            negatives: the number of negatives per click, drawn uniformly; 0 for a stream of positives only.
            seed: the seed of the draws.
            expected: the numbers of ``users``, ``items``, ``categories`` and ``positives`` in the data set. A warning
                says if the files have other numbers.
            candidates: the items that can be drawn: those ``seen`` up to the click, or those of the ``whole_stream``,
                see :func:`~asmg_pl.data.negatives.add_negatives`. The published preprocessing draws from the whole
                stream, also items that are launched later. Choose it only to reproduce published figures
                (``configs/paper/negatives.yaml``).

        Raises:
            ConfigError: if ``negatives`` is negative, or ``expected`` has another name.
        """
        if negatives < 0:
            raise ConfigError(f"source.negatives must not be negative, got {negatives}")
        self.negatives = negatives
        self.seed = seed
        self.candidates: Candidates = candidates
        self.expected = Expected(type(self).__name__, expected, ("users", "items", "categories", "positives"))

    @abstractmethod
    def clicks(self, root: Path) -> pl.DataFrame:
        """Read the clicks: columns ``user``, ``item``, ``time`` (seconds since 1970) and optionally ``category``."""

    def categories(self, root: Path, clicks: pl.DataFrame) -> pl.DataFrame | None:
        """The catalogue: columns ``item`` and ``categories`` (a list per item), or ``None`` if there is none.

        By default it has the category of an item's first click, if clicks have a column ``category``.

        Args:
            root: the folder with the files.
            clicks: the clicks by time.
        """
        if "category" not in clicks.columns:
            return None
        first = clicks.group_by("item", maintain_order=True).agg(pl.col("category").first())
        return first.select("item", categories=pl.concat_list("category"))

    def read(self, root: Path | None) -> InteractionLog:
        """Read the clicks and draw their negatives.

        Raises:
            ConfigError: if no folder is given.
            DataError: if a file is missing, damaged or malformed, or has no rows.
        """
        if root is None:
            raise ConfigError(f"{type(self).__name__} reads files: give the folder that holds them: --data.root FOLDER")
        clicks = self.clicks(root).sort("time", maintain_order=True)
        rows = clicks.select("user", "item", "time", label=pl.lit(1, pl.UInt8))
        if self.negatives:
            rows = add_negatives(rows, self.negatives, "uniform", self.seed, candidates=self.candidates)
        catalogue = self.categories(root, clicks)
        log = InteractionLog.from_frame(rows.select("user", "item", "label", "time"), catalogue)
        self.expected.check(positives=len(clicks), **log.sizes._asdict())
        return log


def days(log: InteractionLog, first: int, last: int) -> InteractionLog:
    """The rows from one time up to another, which is excluded.

    Earlier rows stay in histories, their users and items are known, and their items are no negatives of these users.
    """
    begin, end = log.first_from(torch.tensor([first, last])).tolist()
    return replace(log.between(begin, end), before=log.between(0, begin), landmarks={0: log.known(begin)})
