"""The options that say where the walks of a study run: on this machine, or on a Ray cluster."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from asmg_pl.cli.parser import positive
from asmg_pl.errors import ConfigError

if TYPE_CHECKING:
    from asmg_pl.experiments.pool import Pool

#: What a walk takes of a cluster's nodes, by option.
NEEDS = ("cpus", "memory", "gpus")


class Options(Protocol):
    """A parser, or a group of its options."""

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an option."""


def add_jobs(group: Options) -> None:
    """Add the option about this machine."""
    group.add_argument(
        "--jobs", type=positive, help="walks at a time; seconds can only be compared with 1 (default: 1)"
    )


def add_cluster(group: Options) -> None:
    """Add the options about a cluster."""
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run the walks on the nodes of a Ray cluster, as many at a time as there is room for: HOST:PORT of the "
        "cluster to which this machine belongs, or auto to find it. All nodes must see the same folders and programs. "
        "A walk whose node dies goes on elsewhere",
    )
    group.add_argument("--cpus", type=amount, metavar="N", help="CPUs and threads of a walk (default: 1)")
    group.add_argument("--memory", type=amount, metavar="GIB", help="memory of a walk, in GiB (default: not counted)")
    group.add_argument("--gpus", type=amount, metavar="N", help="GPUs of a walk, or a fraction of one (default: none)")


@contextmanager
def pool_of(given: argparse.Namespace) -> Iterator[Pool]:
    """A context with the pool that the options ask for.

    Raises:
        ConfigError: if the options do not go together, Ray is not installed, or there is no such cluster.
    """
    needs = {name: getattr(given, name) for name in NEEDS if getattr(given, name) is not None}
    if given.cluster is None:
        if needs:
            raise ConfigError(f"--{min(needs)} is about the nodes of a cluster: name it with --cluster")
        from asmg_pl.experiments.processes import LocalPool

        yield LocalPool(given.jobs or 1)
        return
    if given.jobs is not None:
        raise ConfigError("--jobs is about this machine; on a cluster, --cpus, --memory and --gpus say what has room")
    from asmg_pl.experiments.cluster import Needs, connected

    with connected(given.cluster, Needs(**needs)) as pool:
        yield pool


def amount(text: str) -> float:
    """What a walk takes of a node."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return found
