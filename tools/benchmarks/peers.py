"""A step of DeepFM beside other libraries, and Lightning beside a bare loop for every updater, in processor time."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import torch
from lightning import LightningModule, Trainer

from asmg_pl import updaters
from asmg_pl.data import Batch, Sizes
from asmg_pl.recommenders import DeepFM
from asmg_pl.updaters import IncrementalUpdate, Updater
from asmg_pl.updaters.walking.phase import Phase
from benchmarks import workload
from benchmarks.peer_models import HIDDEN, PEERS, WIDTH, Peer
from benchmarks.phases import AfterPhases, bare
from benchmarks.walks import ZipfStream, fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workload.add_arguments(parser)
    parser.add_argument("--steps", type=int, default=50, help="steps of a turn")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[256, 1024], help="instead of --batch-size")
    parser.add_argument("--updaters", nargs="+", help="whose loops are measured; all by default")
    parser.add_argument("--no-peers", action="store_true", help="leave out the other libraries")
    parser.add_argument("--no-loops", action="store_true", help="leave out the loop of every updater")
    parser.set_defaults(threads=1, categories=0, repeat=5)


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of a step, and ratios; both in the median over turns."""
    torch.set_num_threads(given.threads)
    figures: dict[str, float] = {}
    for size in given.batch_sizes:
        here = argparse.Namespace(**vars(given) | {"batch_size": size})
        if not given.no_peers:
            figures |= {f"batch {size} · {name}": value for name, value in _beside_peers(here).items()}
        if not given.no_loops:
            figures |= {f"batch {size} · {name}": value for name, value in _loops(here).items()}
    return figures


class Turns(AfterPhases):
    """After each update of a walk, the rivals go over the same mini-batches.

    Attributes:
        seconds: of the processor, by name, of each turn; ``"ours"`` is the walk's own update, with all that Lightning
            does around it and the gathering of its mini-batches.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        """Take the rivals."""
        super().__init__(time.process_time)
        self.peers = peers
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def after(self, updater: Updater, phase: Phase, seconds: float) -> None:
        """Let the others have their turn."""
        self.seconds["ours"].append(seconds)
        with bare(updater):
            batches = updater.data.train_dataloader()
            self._time("a bare loop around our own steps", batches, phase.on_batch)
        for name, peer in self.peers.items():
            self._time(name, [peer.given(cast(Batch, batch)) for batch in batches], peer.step)

    def _time(self, name: str, steps: Any, call: Callable[[Any], object]) -> None:
        began = time.process_time()
        for step in steps:
            call(step)
        self.seconds[name].append(time.process_time() - began)


def _beside_peers(given: argparse.Namespace) -> dict[str, float]:
    stream = ZipfStream(given, given.steps * given.batch_size, given.repeat + 1)
    sizes = stream.read(None).sizes
    peers: dict[str, Peer] = {}
    for name, make in PEERS.items():
        try:
            peers[name] = make(sizes, given.history)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    turns = Turns(peers)
    fit(stream, partial(IncrementalUpdate, recommender=partial(DeepFM, embedding_dim=WIDTH, hidden=HIDDEN)), [turns])
    # The first turn warms up.
    seconds = {name: found[1:] for name, found in turns.seconds.items()}
    figures = {"our step of DeepFM: ms": 1e3 * statistics.median(seconds["ours"]) / given.steps}
    for name, found in seconds.items():
        if name != "ours":
            ratios = [rival / ours for rival, ours in zip(found, seconds["ours"], strict=True)]
            figures[f"{name}, divided by ours"] = statistics.median(ratios)
    return figures


def _loops(given: argparse.Namespace) -> dict[str, float]:
    """Lightning's time divided by that of a bare loop, by updater: its phase in which it spends most."""
    figures: dict[str, float] = {}
    for name in given.updaters or updaters.__all__:
        kind = getattr(updaters, name)
        if not (isinstance(kind, type) and issubclass(kind, Updater)) or kind is Updater:
            continue
        clock = _Phases()
        begun = partial(_pretrained, kind)
        fit(ZipfStream(given, given.steps * given.batch_size, 4 + given.repeat), begun, [clock])
        ratios: dict[str, float] = {}
        for phase, pairs in clock.pairs.items():
            ratios[phase] = statistics.median(ours / bare for ours, bare in pairs[-given.repeat :])
        figures |= {f"Lightning over a bare loop, {name} · {phase}": ratio for phase, ratio in ratios.items()}
    return figures


def _pretrained(kind: Callable[..., Updater], sizes: Sizes, **_: int) -> Updater:
    """An updater that is pre-trained on a period, which some of them need."""
    return kind(sizes, pretrain_periods=1, pretrain_epochs=1)


class _Phases(AfterPhases):
    """Times each phase but pre-training, then the same phase, from its beginning, in a bare loop around its steps.

    A bare loop goes over the phase before, untimed: else the first of the two alone would wait for the memory of rows
    that no cache has.
    """

    takes_bundles = True

    def __init__(self) -> None:
        super().__init__(time.process_time)
        self.pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        updater = cast(Updater, pl_module)
        phase = updater.phase
        if batch_idx == 0 and phase is not None and phase.trains and phase.name != "pretrain":
            reached = self.clock()
            self._bare(updater, phase)
            phase.begin()
            self._began += self.clock() - reached

    def after(self, updater: Updater, phase: Phase, seconds: float) -> None:
        if phase.name != "pretrain":
            self.pairs[phase.name].append((seconds, self._bare(updater, phase)))

    def _bare(self, updater: Updater, phase: Phase) -> float:
        with bare(updater):
            began = self.clock()
            phase.begin()
            for batch in updater.data.train_dataloader():
                phase.on_batch(batch)
            return self.clock() - began
