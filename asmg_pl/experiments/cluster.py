"""Walks on the nodes of a Ray cluster.

Each walk is a task of Ray, which starts the same process on a node that this machine would, and watches it:

    study ── task ── asmg fit      a node that dies takes both with it; the task is given to another node
          ── task ── asmg fit      ... where the walk goes on from its last checkpoint

All nodes see the same folders. Ray moves nothing but the words on what has become of a walk.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from asmg_pl.callbacks.ownership import LOCK
from asmg_pl.checkpoints.names import newest_first
from asmg_pl.errors import ConfigError, UserError
from asmg_pl.experiments.pool import PATIENCE, Began, Ended, Event, Lost, arriving
from asmg_pl.experiments.processes import run_walk, started
from asmg_pl.experiments.ray_lines import Logged, OwnLines
from asmg_pl.experiments.walks import Walk
from asmg_pl.system.lock import locked
from asmg_pl.system.signals import catch_again

logger = logging.getLogger(__name__)

#: Seconds for which a walk waits for its earlier copy to end, whose node may be lost to Ray alone.
COPY = 180.0

#: How often a walk can be lost at one checkpoint before it has failed.
LOSSES = 5


@dataclass(frozen=True)
class Needs:
    """What a walk takes of a node.

    Attributes:
        cpus: CPUs; a walk has as many threads, at least one, unless ``OMP_NUM_THREADS`` says otherwise.
        memory: GiB; ``None`` counts none.
        gpus: GPUs, or a fraction of one.
    """

    cpus: float = 1.0
    memory: float | None = None
    gpus: float = 0.0

    def __str__(self) -> str:
        """In words."""
        memory = "" if self.memory is None else f", {self.memory:g} GiB of memory"
        return f"CPUs: {self.cpus:g}, GPUs: {self.gpus:g}{memory}"

    def options(self) -> dict[str, Any]:
        """The options of Ray's task. That it is not retried by Ray leaves this to :class:`RayPool`."""
        memory = {} if self.memory is None else {"memory": int(self.memory * 2**30)}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_retries": 0, **memory}

    def variables(self) -> dict[str, str]:
        """The variables of a walk's process: its threads, no GPU if it takes none, and this program's own ones."""
        own = {name: value for name, value in os.environ.items() if name.startswith("ASMG_")}
        threads = os.environ.get("OMP_NUM_THREADS", str(max(1, int(self.cpus))))
        return own | {"OMP_NUM_THREADS": threads} | ({} if self.gpus else {"CUDA_VISIBLE_DEVICES": ""})


@contextmanager
def connected(address: str, needs: Needs) -> Iterator[RayPool]:
    """A context with the pool of a cluster.

    Args:
        address: ``HOST:PORT`` of the cluster, or ``auto`` for the one to which this machine belongs.
        needs: of each walk.

    Raises:
        ConfigError: if Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("--cluster needs the package ray: pip install 'asmg_pl[ray]'") from None
    _check(address)
    with redirect_stdout(OwnLines(sys.stdout)):
        try:
            with redirect_stdout(Logged()):
                ray.init(address=address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(f"--cluster {address}: {reason} (run this on a machine of the cluster)") from None
        catch_again()  # Ray has set a handler of its own
        try:
            _warn_if_too_large(ray.nodes(), needs)  # type: ignore[no-untyped-call]
            yield RayPool(needs)
        finally:
            with redirect_stdout(Logged()):  # Ray prints here what it has held back
                ray.shutdown()


def _check(address: str) -> None:
    """Refuse an address at which nothing answers, for which Ray itself waits for minutes."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal() or "/" in host:
        raise ConfigError(f"--cluster {address} is neither HOST:PORT nor auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"--cluster {address}: no cluster answers there ({reason}): ray start --head prints its address"
        ) from None


def _warn_if_too_large(nodes: Sequence[Mapping[str, Any]], needs: Needs) -> None:
    wanted = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": (needs.memory or 0.0) * 2**30}
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    if not any(all(node.get(name, 0.0) >= amount for name, amount in wanted.items()) for node in alive):
        logger.warning("no node has what a walk takes (%s): walks wait until one joins", needs)


class RayPool:
    """Runs walks on a cluster to which this program is connected, as many at a time as there is room for."""

    def __init__(self, needs: Needs) -> None:
        """Run nothing yet.

        Args:
            needs: of each walk.
        """
        self._needs = needs

    def run(self, walks: Sequence[Walk]) -> Generator[Event | None, None, None]:
        """Run walks, see :class:`~asmg_pl.experiments.pool.Pool`."""
        for one in walks:
            one.folder.mkdir(parents=True, exist_ok=True)
        told: Queue[Event | BaseException] = Queue()
        stop = threading.Event()
        # In a thread of its own: Ray's calls swallow what handlers of signals raise in the main one.
        follower = threading.Thread(target=self._follow, args=(walks, told.put, stop), daemon=True)
        follower.start()
        try:
            yield from arriving(told, len(walks))
        except BaseException:
            stop.set()
            follower.join()
            raise

    def _follow(
        self, walks: Sequence[Walk], tell: Callable[[Event | BaseException], None], stop: threading.Event
    ) -> None:
        """Give walks to the cluster, again where they are lost, and tell what becomes of them."""
        try:
            tasks = _Tasks(self._needs)
            for one in walks:
                tasks.submit(one)
            while tasks.under_way and not stop.is_set():
                for event in tasks.news():
                    tell(event)
            tasks.cancel()
        except BaseException as error:
            tell(error)


class _Tasks:
    """The tasks of walks that are under way."""

    def __init__(self, needs: Needs) -> None:
        import ray

        self._ray = ray
        self._task = ray.remote(**needs.options())(_walk_on_node)
        self._arguments = str(Path.cwd()), needs.variables()
        self._losses: Counter[tuple[Path, str]] = Counter()
        self.under_way: dict[Any, Walk] = {}

    def submit(self, one: Walk) -> None:
        """Give a walk to the cluster."""
        self.under_way[self._task.remote(one, *self._arguments)] = one

    def news(self) -> Iterator[Event]:
        """What has happened, after half a second at most."""
        ready, _ = self._ray.wait([*self.under_way], timeout=0.5, fetch_local=False)
        for task in ready:
            event = self._next(task)
            if not isinstance(event, Began):
                one = self.under_way.pop(task)
                if isinstance(event, Lost):
                    self.submit(one)
            yield event

    def _next(self, task: Any) -> Event:
        """What a task has told next, or how it has gone."""
        one, errors = self.under_way[task], self._ray.exceptions
        try:
            told: Event = self._ray.get(next(task))
            return told
        except (errors.RayTaskError, errors.RuntimeEnvSetupError, errors.TaskUnschedulableError) as error:
            return self._failed(one, str(error).strip())
        except errors.RayError as error:
            reason = re.split(r"\n|\. ", str(error).strip())[0].rstrip(".")
            newest = newest_first(one.folder / "checkpoints")
            at = one.folder, newest[0].name if newest else ""
            self._losses[at] += 1
            if self._losses[at] == LOSSES:
                return self._failed(one, f"lost {LOSSES} times at the same checkpoint: {reason}")
            return Lost(one, reason)

    def _failed(self, one: Walk, reason: str) -> Ended:
        return Ended(one, f"{one.folder}: {reason}", 0.0, 0)

    def cancel(self) -> None:
        """Stop what is under way, and wait for its end."""
        for task in self.under_way:
            self._ray.cancel(task)
        until = time.monotonic() + PATIENCE
        while self.under_way and time.monotonic() < until:
            ready, _ = self._ray.wait([*self.under_way], timeout=0.5, fetch_local=False)
            for task in ready:
                if not isinstance(self._next(task), Began):
                    del self.under_way[task]


def _walk_on_node(one: Walk, folder: str, variables: Mapping[str, str]) -> Iterator[Began | Ended]:
    """The task: run a walk on the node where this is called.

    Args:
        one: the walk.
        folder: the working folder of the study.
        variables: of the walk's process.
    """
    host = socket.gethostname()
    yield Began(one, host)
    try:
        os.chdir(folder)
        if not one.folder.is_dir():
            raise FileNotFoundError(f"there is no folder {one.folder}")
        _wait_for_copy(one.folder)
        ended = run_walk(one, partial(_watched, variables))
    except FileNotFoundError as error:
        ended = Ended(one, f"{host}: {error}: all nodes must see the same folders and programs", 0.0, 0)
    except (OSError, UserError) as error:
        ended = Ended(one, f"{host}: {error}", 0.0, 0)
    yield ended


def _wait_for_copy(folder: Path) -> None:
    """Wait until a process that still walks in a folder has ended. It may outlive its node's connection to Ray.

    Raises:
        BusyError: if it does not end.
    """
    if (folder / LOCK).exists():
        with locked(folder / LOCK, f"{folder} is walked in", "wait for its end, or stop it", wait=COPY, again=False):
            pass


def _watched(variables: Mapping[str, str], command: Sequence[str], out: int) -> tuple[int, float]:
    """Run a command to its end; stop it if the task is cancelled."""
    import ray

    task = ray.get_runtime_context()
    process = started(command, out, variables)
    until = None
    while True:
        try:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if until is None and task.is_canceled():
                raise KeyboardInterrupt
            if until is not None and time.monotonic() > until:
                process.kill()
            time.sleep(0.1)
        except KeyboardInterrupt:  # which Ray raises too, where it can
            process.terminate()
            until = time.monotonic() + PATIENCE
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_maxrss / 1024
