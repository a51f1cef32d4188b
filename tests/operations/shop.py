"""A small shop: tables of its days, and the run that walked the first of them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from asmg_pl.checkpoints.io import newest_first
from asmg_pl.cli.main import main
from asmg_pl.convert import Settings, convert

#: Rows of a day, which is a period; days that have been walked, and days that come.
ROWS, WALKED, COMING = 40, 6, 4

SETTINGS = Settings(user="user", item="item", time="time", label="label")

WALK = (
    *("fit", "--model", "IncrementalUpdate", "--model.pretrain_periods", "2", "--model.pretrain_epochs", "1"),
    *("--model.test_from", "4", "--data.source", "Stream", "--data.periods", "EqualRows"),
    *("--data.periods.rows", str(ROWS), "--data.batch_size", "20", "--data.history_size", "4"),
    *("--progress.enable", "false"),
)


def day(number: int) -> pl.DataFrame:
    """The rows of a day, the first is 0; each day has a user and an item that were not there before."""
    draw = np.random.default_rng(number)
    user, item = draw.integers(0, 9, ROWS), draw.integers(0, 12, ROWS)
    user[-1], item[-1] = 100 + number, 100 + number
    return pl.DataFrame(
        {
            "user": [f"u{each}" for each in user],
            "item": item,
            "label": ((user + item) % 3 == 0).astype(int),
            "time": 1_700_000_000 + 86_400 * number + np.arange(ROWS) * 600,
        }
    )


@dataclass(frozen=True)
class Shop:
    """A folder with ``stream/``, ``run/`` and a table ``day-N.csv`` of each day that comes."""

    folder: Path

    @classmethod
    def opened(cls, folder: Path, turned: bool = False) -> Shop:
        """Convert and walk the first days, of another shop if the labels are turned round."""
        folder.mkdir(parents=True)
        first = pl.concat([day(number) for number in range(WALKED)])
        first = first.with_columns(label=1 - pl.col("label")) if turned else first
        first.write_csv(folder / "first.csv")
        convert([folder / "first.csv"], folder / "stream", SETTINGS)
        for number in range(COMING):
            day(WALKED + number).write_csv(folder / f"day-{number}.csv")
        shop = cls(folder)
        assert shop.call(*WALK, "--data.root", shop.stream, "--trainer.default_root_dir", shop.run) == 0
        return shop

    def copied(self, folder: Path) -> Shop:
        """The same shop in another folder, where its run looks for its stream."""
        shutil.copytree(self.folder, folder)
        config = folder / "run" / "config.yaml"
        config.write_text(config.read_text().replace(str(self.folder), str(folder)))
        return Shop(folder)

    @property
    def stream(self) -> Path:
        """The stream."""
        return self.folder / "stream"

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / "run"

    @property
    def store(self) -> Path:
        """The store."""
        return self.run / "serving"

    @property
    def current(self) -> str:
        """The name of the version that serves; empty if none does."""
        path = self.store / "current"
        return path.read_text().strip() if path.exists() else ""

    def day(self, number: int) -> Path:
        """The table of a day that comes."""
        return self.folder / f"day-{number}.csv"

    def update(self, *arguments: object) -> int:
        """Call ``asmg update`` in this process; its exit status."""
        return self.call("update", self.run, *arguments)

    def call(self, *arguments: object) -> int:
        """Call the program in this process; its exit status."""
        with _called(*arguments):
            try:
                main()
            except SystemExit as end:
                return int(end.code or 0)
        return 0

    def updates(self) -> pl.DataFrame:
        """The decisions."""
        return pl.read_csv(self.run / "updates.csv", schema_overrides={"compared": pl.String})

    def left(self) -> dict[str, Any]:
        """All that updates have left but times, and paths of this folder: of stream, walk, gate and store."""
        found: dict[str, Any] = {}
        for path in sorted(self.stream.rglob("*")):
            if path.is_file() and not path.name.startswith(".lock"):
                found[str(path.relative_to(self.folder))] = path.read_bytes()
        for name in ("metrics.csv", "gate.csv"):
            found[name] = (self.run / name).read_bytes() if (self.run / name).exists() else b""
        found["updates.csv"] = self.updates().drop("at").rows()
        newest = newest_first(self.run / "checkpoints")[0]
        found["checkpoint"] = newest.name
        for name, value in torch.load(newest, weights_only=True)["state_dict"].items():
            found[f"checkpoint {name}"] = value.tolist() if isinstance(value, torch.Tensor) else value
        for path in sorted(self.store.rglob("*")):
            if path.is_file() and not path.name.startswith((".lock", ".checked")):
                content = path.read_bytes()
                found[str(path.relative_to(self.folder))] = _timeless(content) if path.suffix == ".json" else content
        return found


def _timeless(content: bytes) -> Any:
    """A JSON file without when, where and by which version of the program it was written."""
    found = json.loads(content)
    if isinstance(found, dict) and "provenance" in found:
        found.pop("checksum")
        for name in ("written", "stream", "commit"):
            found["provenance"].pop(name)
    return found


@contextmanager
def _called(*arguments: object) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["asmg", *map(str, arguments)]
    try:
        yield
    finally:
        sys.argv = before
