"""The scorer of a serving package, on one core, against a plain forward pass of its model, and against onnxruntime.

A plain program has dictionaries of names and histories, builds whole rows for the items of a request, and calls the
model. onnxruntime is given the same rows; it is left out where onnx, onnxscript and onnxruntime are not installed.
Latencies of the scorer are those of requests that follow each other. They are given by the wall clock, and by the time
of the processor, which other programs on the machine disturb less. Against its rivals it is timed in turns, request by
request; a ratio is the median over pairs. Items are drawn by Zipf's law.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders import EmbeddingMLP, Recommender, TwoTower
from asmg_pl.serving import Contents, Package, Scorer, load, open_package, write
from asmg_pl.serving.drawn import drawn_contents
from benchmarks.timing import in_turns, medians
from benchmarks.workload import Zipf

Answer = Callable[[Any, Sequence[Any]], np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--items", type=int, default=1_000_000, help="items of the package that is loaded")
    parser.add_argument("--catalogue", type=int, default=50_000, help="items of the package that answers")
    parser.add_argument("--users", type=int, default=100_000, help="users of both")
    parser.add_argument("--categories", type=int, default=20, help="0 for items without categories")
    parser.add_argument("--candidates", type=int, default=500, help="items that a request asks for")
    parser.add_argument("--history", type=int, default=30, help="items of a history, T")
    parser.add_argument("--requests", type=int, default=500, help="how many requests are timed")
    parser.add_argument("--repeat", type=int, default=7, help="how often imports and loads are timed")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        folder = Path(place)
        figures = importing(given.repeat) | loading(folder, given)
        for strings in (False, True):
            names = "strings" if strings else "integers"
            made = contents(EmbeddingMLP, given.catalogue, given, strings)
            figures |= answering(folder / names, made, given, f"EmbeddingMLP, names are {names}")
        return figures | answering(folder / "towers", contents(TwoTower, given.catalogue, given), given, "TwoTower")


def contents(
    recommender: Callable[[Sizes], Recommender], items: int, given: argparse.Namespace, strings: bool = False
) -> Contents:
    """A package with drawn numbers."""
    return drawn_contents(recommender, Sizes(given.users, items, given.categories), given.history, strings)


def importing(repeat: int) -> dict[str, float]:
    """Seconds of a process that imports the scorer, and of one that imports torch."""
    calls = {
        name: partial(subprocess.run, [sys.executable, "-c", code], check=True)
        for name, code in {"scorer": "from asmg_pl.serving import load, Live", "torch": "import torch"}.items()
    }
    taken = medians(calls, repeat)
    return {
        "import of the scorer: s": taken["scorer"],
        "import of torch: s": taken["torch"],
        "import of the scorer over that of torch": taken["scorer"] / taken["torch"],
    }


def loading(folder: Path, given: argparse.Namespace) -> dict[str, float]:
    """Milliseconds until a package can answer, and until a checkpoint and dictionaries of names are in memory."""
    made = contents(EmbeddingMLP, given.items, given)
    write(made, folder / "large")
    torch.save({"state": made.models["serving"], "names": dict(made.names)}, folder / "large.pt")

    def plainly() -> object:
        found = torch.load(folder / "large.pt", weights_only=False)
        model = EmbeddingMLP(made.sizes)
        model.load_state_dict(found["state"])
        return model, [{name: number for number, name in enumerate(names)} for names in found["names"].values()]

    taken = medians({"scorer": lambda: load(folder / "large"), "plain": plainly}, given.repeat)
    return {
        f"load of {given.items:,} items: ms": 1e3 * taken["scorer"],
        f"load of {given.items:,} items, checkpoint and dictionaries: ms": 1e3 * taken["plain"],
    }


class Plain:
    """A plain program around the checkpointed model."""

    def __init__(self, made: Contents, package: Package) -> None:
        """Fill dictionaries."""
        self._users, self._items = (
            {name: number for number, name in enumerate(_listed(made.names[kind]))} for kind in ("user", "item")
        )
        self._history, self._size = made.history, made.history_size
        self._catalogue = None if package.catalogue is None else package.catalogue.long()
        self._model = package.served()

    def rows(self, user: Any, items: Sequence[Any]) -> dict[str, Tensor]:
        """Whole rows."""
        number = self._users[user]
        past = self._history.of(number).tolist()
        return {
            "user": torch.tensor([number] * len(items)),
            "item": torch.tensor([self._items[item] for item in items]),
            "history": torch.tensor([past + [0] * (self._size - len(past))] * len(items)),
            "history_length": torch.tensor([len(past)] * len(items)),
        }

    @torch.inference_mode()
    def __call__(self, user: Any, items: Sequence[Any]) -> np.ndarray:
        """Probabilities of items, float32 [n]."""
        found = self.rows(user, items)
        rows = Batch(
            user=found["user"],
            item=found["item"],
            history=found["history"],
            history_length=found["history_length"],
            label=torch.zeros(len(items)),
            categories=self._catalogue,
        )
        scores: np.ndarray = self._model(rows).sigmoid().numpy()
        return scores


def through_onnx(package: Package, plain: Plain, folder: Path) -> Answer | None:
    """The same rows through onnxruntime, on one core; ``None`` where it is not installed."""
    if not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        return None
    import onnxruntime

    from asmg_pl.serving.formats import write_formats

    write_formats(package, folder, ["onnx"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)

    def answer(user: Any, items: Sequence[Any]) -> np.ndarray:
        rows = {name: values.numpy() for name, values in plain.rows(user, items).items()}
        found: np.ndarray = session.run(["probability"], rows)[0]
        return found

    return answer


def answering(folder: Path, made: Contents, given: argparse.Namespace, title: str) -> dict[str, float]:
    """Milliseconds of requests, which take turns."""
    write(made, folder)
    began = time.perf_counter()
    scorer = load(folder)
    scorer.prepare()
    ready = time.perf_counter() - began
    package = open_package(folder)
    plain = Plain(made, package)
    ways: dict[str, Answer] = {"scorer": lambda user, items: scorer.score(user, items).scores, "plain forward": plain}
    if (onnx := through_onnx(package, plain, folder.with_suffix(".onnx"))) is not None:
        ways["onnxruntime"] = onnx
    figures = {f"{title}, load and prepare: ms": 1e3 * ready}
    users, items = _listed(made.names["user"]), _listed(made.names["item"])
    draw = np.random.default_rng(1)
    popular = Zipf(len(items), draw)
    asked = [
        (users[draw.integers(len(users))], [items[number] for number in popular.ids(draw, given.candidates)])
        for _ in range(given.requests)
    ]
    figures |= _latencies(f"{title}, {given.candidates} candidates", ways, asked)
    best: dict[str, Answer] = {"scorer": lambda user, _: scorer.recommend(user, 10).scores}
    best["plain forward"] = _top_ten(plain, scorer, items)  # onnxruntime takes many times as long for so many rows
    return figures | _latencies(f"{title}, top 10 of {len(items):,}", best, asked[: max(1, given.requests // 20)])


def _top_ten(way: Answer, scorer: Scorer, items: Sequence[Any]) -> Answer:
    """The ten largest probabilities of all items that the user does not have."""
    seen, numbers = scorer.package.seen, scorer.package.ids("user")

    def answer(user: Any, _: Sequence[Any]) -> np.ndarray:
        found = way(user, items)
        found[seen.of(int(numbers.find([user])[0]))] = 0.0
        return torch.from_numpy(found).topk(10).values.numpy()

    return answer


def _latencies(title: str, ways: Mapping[str, Answer], asked: Sequence[tuple[Any, Sequence[Any]]]) -> dict[str, float]:
    """Latencies of the scorer alone, and of all ways in turns; how far their answers differ."""
    expected, *others = ([way(*each) for each in asked[:3]] for way in ways.values())
    figures = {f"{title}, largest difference": float(max(np.abs(np.array(each) - expected).max() for each in others))}
    calls = {name: [partial(way, *each) for each in asked] for name, way in ways.items()}
    alone = in_turns({"scorer": calls["scorer"]})["scorer"]
    for share in (50, 99):
        wall, processor = 1e3 * np.percentile(alone, share, axis=0)
        figures[f"{title}, p{share}: ms"] = float(wall)
        figures[f"{title}, p{share}, of the processor: ms"] = float(processor)
    seconds = {name: np.array(taken)[:, 0] for name, taken in in_turns(calls).items()}
    ours = seconds.pop("scorer")
    for name, theirs in seconds.items():
        figures[f"{title}, {name}, p50 in turns: ms"] = float(1e3 * np.median(theirs))
        figures[f"{title}, {name} over the scorer"] = float(np.median(theirs / ours))
    return figures


def _listed(names: Any) -> list[Any]:
    return names.tolist() if isinstance(names, np.ndarray) else list(names)
