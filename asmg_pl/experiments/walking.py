"""Walks are run by a pool, as far as they have not ended before, and a line or a live table tells of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing

from asmg_pl.errors import ConfigError
from asmg_pl.experiments.finished import Finished
from asmg_pl.experiments.live_table import live_table
from asmg_pl.experiments.pool import Ended, Lost, Pool, reason_in
from asmg_pl.experiments.walks import LOG, Walk

logger = logging.getLogger(__name__)


def walk_all(walks: Sequence[Walk], pool: Pool, alike: bool = False) -> list[Walk]:
    """Run walks, and log a line as each ends.

    A finished walk is not started again unless something has changed since (:mod:`asmg_pl.experiments.finished`), and
    an interrupted one goes on. If this program is stopped, its walks are stopped too.

    Args:
        walks: the walks.
        pool: where they run.
        alike: whether the walks differ in seed and start only, so that what is refused for one is refused for all.

    Returns:
        The walks that have failed; the end of their output has been logged.

    Raises:
        ConfigError: with the message of ``asmg fit``, if the walks are alike and one was refused before it began.
    """
    finished, failed, ended = Finished(), [], 0
    there = [one for one in walks if finished.has(one.folder, one.own_arguments)]
    if there:
        logger.info("%d of %d walks have ended before, and nothing has changed since", len(there), len(walks))
    ahead = [one for one in walks if one not in there]
    with live_table(walks, there) as note, closing(pool.run(ahead)) as events:
        for event in events:
            note(event)
            if isinstance(event, Lost):
                logger.warning("%s goes on elsewhere from its last checkpoint: %s", event.walk.folder, event.reason)
            elif isinstance(event, Ended):
                one, ended = event.walk, ended + 1
                how = "failed after" if event.failure else "done in"
                logger.info("[%d/%d] %s %s %.0f s", ended, len(ahead), one.folder, how, event.seconds)
                if not event.failure:
                    finished.note(one.folder, one.own_arguments, event.began)
                    continue
                if alike and (reason := _refusal(one)):
                    raise ConfigError(reason)
                failed.append(one)
                logger.error(event.failure)
    return failed


def _refusal(one: Walk) -> str:
    """Why a walk was refused before it began, by its log; empty if it had begun, or its folder has an older one."""
    if {path.name for path in one.folder.iterdir()} != {LOG}:
        return ""
    return reason_in((one.folder / LOG).read_text(encoding="utf-8", errors="replace"))
