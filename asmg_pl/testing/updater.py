"""The rules of an updater, see docs/updater.md."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from asmg_pl.checkpoints.io import newest_first
from asmg_pl.data import Sizes
from asmg_pl.testing.rules import Rules
from asmg_pl.testing.walks import ROWS, Listener, WithGap, differing, differing_results, short_walk
from asmg_pl.updaters import Updater

#: Arguments under which a short stream has periods of all kinds, where the updater takes them.
SHORT = {"pretrain_periods": 2, "pretrain_epochs": 2, "test_from": 6}

#: Periods after pre-training, enough for a window of three snapshots.
WALKED = 5


def check_updater(updater: Callable[..., Updater]) -> None:
    """Check an updater of your own: it scores before it trains, lets nothing leak, resumes and grows.

    A dozen short walks take some seconds.

    Args:
        updater: its class, or another callable that takes the sizes, as ``partial(Mine, window=2)``. It is called with
            ``pretrain_periods``, ``pretrain_epochs`` and ``test_from`` too, if it takes them.

    Raises:
        BrokenRule: at the first rule that it breaks, with what to write instead.

    Examples:
        >>> from asmg_pl.testing import check_updater
        >>> from asmg_pl.updaters import IncrementalUpdate
        >>> check_updater(IncrementalUpdate)
    """
    with TemporaryDirectory() as folder:
        _Check(updater, Path(folder)).run()


class _Check:
    """The walks of one check."""

    def __init__(self, updater: Callable[..., Updater], folder: Path) -> None:
        self.rules = Rules(updater)
        self.folder = folder
        self._updater = updater
        self.whole, self.heard = self._walk_once()
        self.last = self.whole.pretrain_periods + WALKED

    def run(self) -> None:
        """Check one rule after the other."""
        self.check_scoring()
        self.check_seed()
        self.check_leak()
        self.check_growth()
        self.check_resuming()
        self.check_empty_period()

    def make(self, sizes: Sizes) -> Updater:
        """Make the updater for a short stream."""
        mend = "__init__ takes sizes first, and hands **base on to super().__init__(sizes, **base)"
        with self.rules.working(f"it cannot be built: {mend}"):
            try:
                inspect.signature(self._updater).bind(sizes, **SHORT)
                made = self._updater(sizes, **SHORT)
            except TypeError:
                made = self._updater(sizes)
        self.rules.require(isinstance(made, Updater), "it is no Updater: derive it from asmg_pl.updaters.Updater")
        return made

    def _walk_once(self) -> tuple[Updater, Listener]:
        """The walk that all others are compared with."""
        heard, made = Listener(self.rules), self.make(Sizes(5, 5))
        periods = made.pretrain_periods + WALKED
        with self.rules.working("it does not walk a short stream to its end"):
            walked = short_walk(self.make, periods, self.folder / "whole", listener=heard)
        return walked, heard

    def check_scoring(self) -> None:
        """Each period is scored, by the model that serves, before anything is trained on it."""
        models = self.whole.scored_models()
        self.rules.require(
            isinstance(models.get("serving"), nn.Module),
            f"scored_models gives {', '.join(models) or 'nothing'}: 'serving' must be the recommender that answers "
            "requests",
        )
        for period in range(self.whole.pretrain_periods + 1, self.last + 1):
            self.rules.require(
                period not in self.heard.trained_first,
                f"it trains when period {period} arrives, and scores later: the first of phases(period) must be "
                "self.scoring(period)",
            )
            self.rules.require(
                period in self.whole.results and len(self.heard.logits.get((period, "serving"), ())) == ROWS,
                f"it does not score period {period} first: the first of phases(period) must be self.scoring(period)",
            )

    def check_seed(self) -> None:
        """The seed decides all numbers."""
        again = short_walk(self.make, self.last)
        found = differing(self.whole, again)
        self.rules.require(
            not found,
            f"two walks with one seed differ in {_some(found)}: draw from torch's generator, which is seeded when a "
            "phase begins, and depend on no clock, no hash and no order of a set",
        )

    def check_leak(self) -> None:
        """What scores a period's rows does not know their labels."""
        period = self.last - 1
        turned = range(ROWS * (period - 1), ROWS * period)
        heard = Listener(self.rules)
        short_walk(self.make, self.last, turned=turned, listener=heard)
        for (scored, model), logits in self.heard.logits.items():
            self.rules.require(
                scored > period or torch.equal(logits, heard.logits[scored, model]),
                f"what {model!r} scores on period {scored} depends on the labels of period {period}: read no labels "
                "of a period before it is scored",
            )

    def check_growth(self) -> None:
        """The beginning of a stream has the scores that it has when the stream goes on, and a walk goes on with it."""
        folder = self.folder / "grown"
        with self.rules.working("it does not walk a shorter stream"):
            short = short_walk(self.make, self.last - 2, folder)
        early = differing_results(self.whole, short)
        self.rules.require(
            not early,
            f"the scores of period {_some(early)} depend on rows that come later: read no later period, and no row of "
            "a table that has not appeared (self.recommender.rows_known(name) says how many have)",
        )
        newest = newest_first(folder / "checkpoints")[0]
        with self.rules.working(
            "it does not go on when the stream has grown: what has rows as the tables grows with them if it is a "
            "Recommender (a copy.deepcopy of self.recommender) or a ParameterHistory"
        ):
            resumed = short_walk(self.make, self.last, folder, resume=newest)
        found = differing(self.whole, resumed)
        self.rules.require(
            not found,
            f"after the stream has grown, the walk goes on otherwise, in {_some(found)}: let nothing depend on how "
            "many rows wait in the tables (self.recommender.rows_known(name) says how many have appeared)",
        )

    def check_resuming(self) -> None:
        """A walk that is killed after any phase goes on as if it had not been."""
        for checkpoint in self._some_checkpoints():
            period, name = re.findall(r"period-0*(\d+)-phase-\d+-(.*)\.ckpt", checkpoint.name)[0]
            place = f"resumed after the phase {name} of period {period}"
            mend = (
                "parameters and buffers are saved; add other state in on_save_checkpoint and take it back in "
                "on_load_checkpoint, both of which call super()"
            )
            with self.rules.working(f"{place}, the walk fails: {mend}, as tensors and plain values"):
                resumed = short_walk(self.make, self.last, resume=checkpoint)
            found = differing(self.whole, resumed)
            self.rules.require(not found, f"{place}, the walk differs in {_some(found)}: {mend}")

    def _some_checkpoints(self) -> list[Path]:
        """Those of two walked periods, and the first one in pre-training."""
        found = newest_first(self.folder / "whole" / "checkpoints")[::-1]
        periods = (f"period-{self.last - 2:06d}-", f"period-{self.last - 1:06d}-")
        first = found[:1] if self.whole.pretrain_periods else []
        return first + [path for path in found if path.name.startswith(periods)]

    def check_empty_period(self) -> None:
        """A period may have no rows."""
        empty = self.last - 1
        with self.rules.working(
            f"it fails on a stream whose period {empty} has no rows: a phase without rows is skipped, and only its end "
            "is called"
        ):
            walked = short_walk(self.make, self.last, cut=WithGap(empty))
        self.rules.require(
            walked.results[empty].rows == 0, f"it gives a result of rows to period {empty}, which has none"
        )


def _some(found: list[str] | list[int]) -> str:
    """The first few of several names."""
    shown = ", ".join(map(str, found[:3]))
    return f"{shown} and {len(found) - 3} more" if len(found) > 3 else shown
