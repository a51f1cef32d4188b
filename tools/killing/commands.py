"""The commands that are killed, on a small stream, and what each of them leaves when nothing disturbs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

ROWS, DAYS = 900, 9
BEGIN = 1_700_000_000  # seconds since 1970

COLUMNS = ("--user", "user", "--item", "item", "--label", "label", "--time", "time")
WALK = (
    *("fit", "--model", "ASMG", "--model.pretrain_periods", "3", "--model.pretrain_epochs", "2"),
    *("--model.window", "2", "--model.test_from", "8", "--data.source", "Stream", "--data.periods", "EqualCounts"),
    *("--data.periods.count", "9", "--data.batch_size", "16", "--data.history_size", "5"),
)

Digest = dict[str, str]


@dataclass(frozen=True)
class Place:
    """A folder with the tables, the stream and the undisturbed results.

    Attributes:
        folder: where all of it is.
        expected: by command, what it leaves when nothing disturbs it.
        seconds: by command, when its first sign of work came, and when it ended.
    """

    folder: Path
    expected: dict[str, Digest]
    seconds: dict[str, tuple[float, float]]

    @classmethod
    def make(cls, folder: Path) -> Place:
        """Write the tables, convert them, and call each command once."""
        folder.mkdir(parents=True)
        draw = np.random.default_rng(0)
        rows = pl.DataFrame(
            {
                "user": draw.integers(0, 30, ROWS),
                "item": draw.integers(0, 40, ROWS),
                "label": draw.integers(0, 2, ROWS),
                "time": BEGIN + np.arange(ROWS) * 600,
            }
        )
        rows.write_csv(folder / "all.csv")
        rows.head(ROWS - 100).write_csv(folder / "old.csv")
        rows.tail(100).write_csv(folder / "new.csv")
        place = cls(folder, {}, {})
        shop = [*WALK, "--data.root", "shop/stream", "--trainer.default_root_dir", "shop/run"]
        for arguments in (
            ["convert", "all.csv", "--out", "stream", *COLUMNS],
            ["convert", "old.csv", "--out", "begun", *COLUMNS],
            ["convert", "old.csv", "--out", "shop/stream", *COLUMNS],
            shop,
            ["update", "shop/run"],
        ):
            ended = call(arguments, folder)
            if ended.returncode:
                sys.exit(ended.stderr)
        for command in COMMANDS.values():
            target = place.target(command, "undisturbed")
            arguments = command.prepare(place, target)
            began = time.perf_counter()
            process = start(arguments, folder, target.with_name(target.name + ".log"))
            sign = 0.0
            while process.poll() is None:
                sign = sign or (time.perf_counter() - began if command.sign(target) else 0.0)
                time.sleep(0.001)
            if process.returncode:
                sys.exit(target.with_name(target.name + ".log").read_text())
            place.expected[command.name] = command.digest(target)
            place.seconds[command.name] = sign, time.perf_counter() - began
        return place

    def target(self, command: Command, round_: object) -> Path:
        """Where a round of a command leaves what it makes."""
        return self.folder / f"{command.name.replace(' ', '-')}-{round_}"


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        name: in the table.
        prepare: makes what must be there before it, and gives its arguments; called with place and target.
        digest: what it has left, by file or tensor.
        sign: whether it has begun to work.
        writes: at how many changes of its files it may be killed, of which one is chosen by chance.
    """

    name: str
    prepare: Callable[[Place, Path], list[str]]
    digest: Callable[[Path], Digest]
    sign: Callable[[Path], bool]
    writes: int = 12


def environment() -> dict[str, str]:
    """One thread, so that rounds compare whatever else the machine does."""
    return os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}


def call(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder until it ends."""
    command = [sys.executable, "-m", "asmg_pl", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment())


def start(arguments: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the program in a folder."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "asmg_pl", *arguments]
        return subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=environment())


def of_files(folder: Path, *patterns: str) -> Digest:
    """The digests of the files that fit one of some patterns, by their path."""
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def of_run(folder: Path) -> Digest:
    """What a walk has left, but for times: scores, the newest checkpoint's tensors, and exported models."""
    newest = max(folder.glob("checkpoints/*.ckpt"))
    checkpoint = torch.load(newest, weights_only=True)
    tensors: Digest = {"newest": newest.name}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}/{key}")
        elif isinstance(value, torch.Tensor):
            tensors[path] = hashlib.sha256(value.numpy().tobytes()).hexdigest()

    walk(checkpoint["state_dict"], "state_dict")
    for number, state in enumerate(checkpoint["optimizer_states"]):
        walk(state, f"optimizer_states/{number}")
    return tensors | of_files(folder, "metrics.csv", "learned.csv", "serving/**/*.npy")


def of_stream(folder: Path) -> Digest:
    """All files of a stream but the index, which the next append alone reads, and locks."""
    return of_files(folder, "stream.json", "convert.json", "quarantine.csv", "part-*/*", "index-*/*")


def of_shop(folder: Path) -> Digest:
    """What a daily job has left, but for times and paths: stream, walk, gate, decisions and store."""
    found = of_stream(folder / "stream") | of_run(folder / "run")
    found |= of_files(folder / "run", "gate.csv", "serving/current", "serving/served.json", "serving/**/*.parquet")
    decisions = pl.read_csv(folder / "run" / "updates.csv").drop("at").write_csv()
    found["updates.csv"] = hashlib.sha256(decisions.encode()).hexdigest()
    for path in folder.glob("run/serving/*/package.json"):
        told = json.loads(path.read_bytes())
        told.pop("checksum")
        told["provenance"] = {k: v for k, v in told["provenance"].items() if k not in ("written", "stream", "commit")}
        found[str(path.relative_to(folder))] = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return found


def _update(place: Place, target: Path) -> list[str]:
    subprocess.run(["cp", "-r", place.folder / "shop", target], check=True)
    return ["update", f"{target.name}/run", "new.csv", "--root", f"{target.name}/stream"]


def _fit(place: Place, target: Path, *more: str) -> list[str]:
    return [*WALK, "--data.root", "stream", "--trainer.default_root_dir", target.name, "--ckpt_path", "last", *more]


def _copied(place: Place, target: Path) -> list[str]:
    subprocess.run(["cp", "-r", place.folder / "begun", target], check=True)
    return ["convert", "new.csv", "--out", target.name, "--append"]


COMMANDS = {
    command.name: command
    for command in (
        Command("fit", _fit, of_run, lambda target: target.exists()),
        Command(
            "fit with export",
            lambda place, target: _fit(place, target, "--export.keep", "-1"),
            of_run,
            lambda target: (target / "serving").exists(),
        ),
        Command(
            "convert",
            lambda place, target: ["convert", "all.csv", "--out", target.name, *COLUMNS],
            of_stream,
            lambda target: any(target.parent.glob(f".{target.name}*")),
        ),
        Command("append", _copied, of_stream, lambda target: any(target.glob(".writing-*"))),
        Command("update", _update, of_shop, lambda target: any(target.glob("stream/.writing-*")), 80),
    )
}
