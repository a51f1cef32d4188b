"""What a day takes from the raw log to the served model: seconds and bytes of each stage, computed from measured costs.

    log ─convert─▶ stream ─▶ [ score ─ generate ─ update ─ generation ─ checkpoints ─ package ] ─▶ load ─▶ answers
                             one after the other in each period

Nothing is run. A stage's seconds are measured costs times the sizes that are given, see ``docs/scale.md``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from asmg_pl.experiments.rendering import Printed
from benchmarks.formulas import Walk

DAY = 86_400

#: Costs as they were measured, by where. Rows and steps are those of D = 8 and histories of 30 items.
CONVERT = 1 / 745_000  # seconds a row, two cores: data --rows 10000000
KNOWN = 0.09e-6  # processor seconds of an append for each known id: stages
TEXT, STREAM, INDEX = 27, 44, 8  # bytes of a row of text and of the stream, and of an append for each known id: stages
UPDATE, GENERATE = 5.0e-3 / 8192, 12.2e-3 / 8192  # seconds a row, one H200: step --batch-size 8192
COPY = 2_522e9  # bytes a second, one H200: generation
GENERATION = 202e9  # likewise
CHECKPOINT = 0.4e9  # bytes a processor second: stages, the slower of two runs
PACKAGE, PACKED = 0.32e-6, 125  # processor seconds and bytes for each id: stages, the slower of two runs
ANSWERS = 172  # requests a second, two cores: serve_load


@dataclass(frozen=True)
class Day:
    """The sizes of a day.

    Attributes:
        rows: of the day.
        periods: into which it is cut.
        batch: rows of a rank's share of a mini-batch.
        history: items of a history, T.
        bandwidth: bytes a second that a rank can send.
        disk: bytes a second that a rank can write.
        requests: to be answered in a second.
        walk: what is held and sent.
    """

    rows: int
    periods: int
    batch: int
    history: int
    bandwidth: float
    disk: float
    requests: float
    walk: Walk

    @property
    def steps(self) -> int:
        """Steps of each kind in the day."""
        return self.periods * math.ceil(self.rows / self.periods / (self.batch * self.walk.ranks))

    @property
    def ids(self) -> int:
        """Distinct ids that a rank asks for in a mini-batch, at most."""
        return min(self.batch * (self.history + 2), self.walk.rows)

    def computing(self, cost: float) -> float:
        """Seconds of all steps of a kind, by its cost for a row of D = 8 and 30 items of history."""
        return self.steps * self.batch * cost * (self.history + 2) * self.walk.width / (32 * 8)

    def sent(self, batches: int) -> float:
        """Bytes that a rank sends in all steps of a kind."""
        return self.steps * self.walk.sent(batches * self.ids, batches)

    @property
    def scores(self) -> float:
        """Bytes that a rank is sent at the ends of periods."""
        return 28.0 * self.rows if self.walk.ranks > 1 else 0.0

    @property
    def saved(self) -> float:
        """Bytes of a rank's part of all checkpoints, three in a period."""
        return 3 * self.periods * self.walk.held()

    @property
    def moved(self) -> float:
        """Bytes that a rank moves to carry the state and make the serving model, once a period each."""
        walk = self.walk
        return 2 * self.periods * walk.table / walk.ranks * (walk.window + walk.hidden + 1)

    @property
    def packed(self) -> float:
        """Bytes of all packages: D numbers for each id, and what does not depend on D."""
        return self.periods * self.walk.rows * (PACKED + 4 * (self.walk.width - 8))


@dataclass(frozen=True)
class Stage:
    """A stage of the day.

    Attributes:
        name: as it is printed.
        engine: the program, and where it runs.
        basis: which costs were measured, in words.
        seconds: of the day.
        bytes: read, written or sent in the day, of the rank or machine that has most.
        chained: whether the stages of the walk wait for it.
    """

    name: str
    engine: str
    basis: str
    seconds: Callable[[Day], float]
    bytes: Callable[[Day], float]
    chained: bool = True


STAGES = [
    Stage(
        "convert",
        "asmg convert --append, 2 cores",
        f"{1 / CONVERT:,.0f} rows/s; {1e6 * KNOWN:.2g} µs for each known id and append",
        lambda day: day.rows * CONVERT + day.periods * day.walk.rows * KNOWN / 2,
        lambda day: day.rows * (TEXT + STREAM) + day.periods * day.walk.rows * INDEX,
        chained=False,
    ),
    Stage(
        "score",
        "asmg fit, each rank a GPU",
        f"at most an update: {1e6 * UPDATE:.2g} µs a row",
        lambda day: day.computing(UPDATE) + (day.sent(1) + day.scores) / day.bandwidth,
        lambda day: day.sent(1) + day.scores,
    ),
    Stage(
        "generate",
        "the same",
        f"{1e6 * GENERATE:.2g} µs a row",
        lambda day: day.computing(GENERATE) + day.sent(day.walk.window) / day.bandwidth,
        lambda day: day.sent(day.walk.window),
    ),
    Stage(
        "update",
        "the same",
        f"{1e6 * UPDATE:.2g} µs a row; dense Adam at {COPY / 1e9:,.0f} GB/s",
        lambda day: (
            day.computing(UPDATE) + day.sent(1) / day.bandwidth + day.steps * 7 * day.walk.table / day.walk.ranks / COPY
        ),
        lambda day: day.sent(1),
    ),
    Stage(
        "state, serving model",
        "the same",
        f"{GENERATION / 1e9:.0f} GB/s",
        lambda day: day.moved / GENERATION,
        lambda day: day.moved,
    ),
    Stage(
        "checkpoints",
        "the same, each rank its rows",
        f"{CHECKPOINT / 1e9:.2g} GB/s a process, or the disk",
        lambda day: day.saved / min(CHECKPOINT, day.disk),
        lambda day: day.saved,
    ),
    Stage(
        "package",
        "the first rank",
        f"{PACKED / PACKAGE / 1e9:.2g} GB/s a process, or the disk",
        lambda day: day.packed * max(PACKAGE / PACKED, 1 / day.disk),
        lambda day: day.packed,
    ),
    Stage(
        "load",
        "asmg serve, each machine",
        f"{PACKED} bytes for each id at D = 8, from the disk",
        lambda day: day.packed / day.disk,
        lambda day: day.packed,
        chained=False,
    ),
]


def _count(text: str) -> int:
    """A number such as 1e9 or 1000000000."""
    return int(float(text))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the reader's own day."""
    parser.add_argument("--rows", type=_count, default=10**9, help="rows of a day")
    parser.add_argument("--users", type=_count, default=10**8, help="users known by then")
    parser.add_argument("--items", type=_count, default=10**8, help="items known by then")
    parser.add_argument("--periods", type=_count, default=24, help="periods of a day")
    parser.add_argument("--ranks", type=_count, help="GPUs, R; by default as many as hold the tables")
    parser.add_argument("--memory", type=float, default=80.0, help="GB of a GPU, of which a half is for a step")
    parser.add_argument("--batch", type=_count, default=4096, help="rows of a rank's share of a mini-batch")
    parser.add_argument("--history", type=_count, default=30, help="items of a history, T")
    parser.add_argument("--width", type=_count, default=8, help="width of the embeddings, D")
    parser.add_argument("--hidden", type=_count, default=4, help="the generator's state, H")
    parser.add_argument("--window", type=_count, default=3, help="snapshots, k")
    parser.add_argument("--bandwidth", type=float, default=50.0, help="GB a second that a rank can send; not measured")
    parser.add_argument("--disk", type=float, default=2.0, help="GB a second that a rank can write; not measured")
    parser.add_argument("--requests", type=float, default=10_000.0, help="requests to be answered in a second")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name; nothing is measured here."""
    walk = Walk(given.users + given.items, given.width, given.hidden, given.window)
    least = math.ceil(walk.held() / (given.memory / 2 * 1e9))
    walk = replace(walk, ranks=given.ranks or least)
    day = Day(
        rows=given.rows,
        periods=given.periods,
        batch=given.batch,
        history=given.history,
        bandwidth=1e9 * given.bandwidth,
        disk=1e9 * given.disk,
        requests=given.requests,
        walk=walk,
    )
    figures = {}
    for stage in STAGES:
        figures[f"{stage.name}: s"] = stage.seconds(day)
        figures[f"{stage.name}: GB"] = stage.bytes(day) / 1e9
    return figures | {
        "the walk: s": sum(stage.seconds(day) for stage in STAGES if stage.chained),
        "held by each GPU: GB": walk.held() / 1e9,
        "GPUs": walk.ranks,
        "GPUs that hold the tables: least": least,
        "memory for each rank at the start: GB": walk.at_the_start() / 1e9,
        "cores that answer": 2 * math.ceil(given.requests / ANSWERS),
    }


def table(figures: Mapping[str, float]) -> Printed:
    """The stages, and what bounds the day."""
    rows = [
        [
            stage.name,
            stage.engine,
            stage.basis,
            f"{figures[f'{stage.name}: GB']:,.4g}",
            f"{figures[f'{stage.name}: s']:,.0f}",
            f"{figures[f'{stage.name}: s'] / DAY:.1%}",
        ]
        for stage in STAGES
    ]
    longest = max(STAGES, key=lambda stage: figures[f"{stage.name}: s"])
    walk = figures["the walk: s"]
    behind = [name for name, taken in {"convert": figures["convert: s"], "the walk": walk}.items() if taken > DAY]
    notes = [
        f"The longest stage is {longest.name}. All stages of the walk together take {walk:,.0f} s, {walk / DAY:.0%} of "
        "the day. " + (f"It does not keep up: {' and '.join(behind)}." if behind else "It keeps up."),
        f"{figures['GPUs']:.0f} GPUs hold {figures['held by each GPU: GB']:,.3g} GB each; at least "
        f"{figures['GPUs that hold the tables: least']:.0f} are needed. At the start each rank takes "
        f"{figures['memory for each rank at the start: GB']:,.3g} GB of the CPU's memory.",
        f"{figures['cores that answer']:,.0f} cores answer the requests.",
    ]
    return Printed(["stage", "engine", "measured cost", "GB a day", "s a day", "of the day"], rows, notes)
