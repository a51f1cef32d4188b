"""What streams of clicks share: each row is something that a user did, and negatives are sampled beside it."""

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
    """Clicks with a sampled negative for each, drawn once; all clicks enter the user's later histories.

    Source: preprocessing of Peng et al. (RecSys 2021).
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
            negatives: how many are drawn for each click, uniformly; 0 for a stream of positives only.
            seed: what is drawn depends on it alone.
            expected: how many ``users``, ``items``, ``categories`` and ``positives`` the data set has, to be warned if
                the files hold others.
            candidates: which items are drawn, those ``seen`` up to the click or ``all``, see
                :func:`~asmg_pl.data.negatives.add_negatives`. The published preprocessing has ``all``, some of which
                appear only later; choose that to reproduce published figures, and for nothing else.

        Raises:
            ConfigError: if the number is negative, or something else is expected.
        """
        if negatives < 0:
            raise ConfigError(f"source.negatives must not be negative, got {negatives}")
        self.negatives = negatives
        self.seed = seed
        self.candidates: Candidates = candidates
        self.expected = Expected(type(self).__name__, expected, ("users", "items", "categories", "positives"))

    @abstractmethod
    def clicks(self, root: Path) -> pl.DataFrame:
        """The clicks in ``root``: columns ``user``, ``item``, ``time`` (seconds since 1970) and maybe ``category``."""

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
        catalogue = None
        if "category" in clicks.columns:  # that of an item's first row
            catalogue = clicks.group_by("item", maintain_order=True).agg(pl.col("category").first())
            catalogue = catalogue.select("item", categories=pl.concat_list("category"))
        log = InteractionLog.from_frame(rows.select("user", "item", "label", "time"), catalogue)
        self.expected.check(positives=len(clicks), **log.sizes._asdict())
        return log


def days(log: InteractionLog, first: int, last: int) -> InteractionLog:
    """The rows from a time on and before another.

    Earlier ones are still in histories, their users and items are known, and none of them is to be a negative.
    """
    begin, end = log.first_from(torch.tensor([first, last])).tolist()
    return replace(log.between(begin, end), before=log.between(0, begin), landmarks={0: log.known(begin)})
