"""What to do after a walk, with the commands as they are to be typed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from asmg_pl.cli.again import launcher, program, resuming, without
from asmg_pl.cli.commands import COMMANDS
from asmg_pl.storage.names import named
from asmg_pl.system.screen import say
from asmg_pl.updaters.base import Updater

#: Options of a walk that belong to it alone, and not to walks that it is compared with.
OF_ONE_WALK = ("--ckpt_path", "--checkpoint.overwrite", "--trainer.default_root_dir", "--loop.until")

#: A conversion of tables that a reader can put own names into.
CONVERT = (
    "convert clicks.csv --out streams/clicks --user user_id --item item_id --time clicked_at --all-positive "
    "--negatives 1"
)


class NextSteps(Callback):
    """Says at the end of a walk how to look at it, compare it, and walk one's own data."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say it, before the report closes with the mean."""
        if not trainer.is_global_zero:
            return
        updater = cast(Updater, pl_module)
        more = updater.last_period < len(updater.data.boundaries) - 1
        say("what next:")
        for purpose, command in steps(sys.argv[2:], Path(trainer.default_root_dir), more):
            say(f"  {purpose:<20} {command}")


def steps(arguments: Sequence[str], folder: Path, more: bool) -> list[tuple[str, str]]:
    """What can be done after a walk: a purpose and a command each.

    Args:
        arguments: of the walk, after ``asmg fit``.
        folder: of the run.
        more: whether the stream has periods beyond the walk's end.
    """
    called, run = program(), shlex.quote(named(str(folder)))
    page = Path("report.html") if named(str(folder)) != str(folder) else folder / "report.html"
    found = []
    if more:
        onward = shlex.join(without(resuming(arguments), "--loop.until"))
        found.append(("go on walking:", f"{launcher()} fit {onward}"))
    if "report" in COMMANDS:
        found.append(("see charts:", f"{called} report {run} --out {shlex.quote(str(page))}"))
    if "compare" in COMMANDS:
        shared = shlex.join(without(arguments, *OF_ONE_WALK))
        found.append(("compare methods:", f"{called} compare runs/compared --methods iu gru_multi -- {shared}"))
    found.append(("walk your own data:", f"{called} {CONVERT}"))
    return found
