"""What it saves that users and items come and go: a line at the start of a walk and one at its end, and in reports."""

from __future__ import annotations

from asmg_pl.updaters.base import Updater
from asmg_pl.updaters.memory import readable
from asmg_pl.updaters.rows.tenancy import saved_by_lifetimes


def rows_of_their_own(updater: Updater) -> list[str]:
    """The line; none if no ids come and go."""
    said = spared(updater)
    return [f"lifetimes: {said}"] if said else []


def spared(updater: Updater) -> str:
    """How many rows stand for how many ids, the memory that this saves, and how many rows and names are in use.

    It is empty if no ids come and go.
    """
    data = updater.data
    if not data.tenants:
        return ""
    saved = saved_by_lifetimes(updater, updater.recommender, data)
    found = [f"{each.used(data.last_period):,} rows for {each.ids:,} {kind}s" for kind, each in data.tenants.items()]
    total = sum(saved.values())
    what = f"saves {readable(total)}" if total >= 0 else f"saves nothing, and takes {readable(-total)} more"
    in_use = [f"{each.in_use(data.last_period):,} {kind}s" for kind, each in data.tenants.items()]
    package = f"a package at the end has rows and names of {' and '.join(in_use)}"
    return f"{', '.join(found)} ({data.lifetimes}): {what}; {package}"
