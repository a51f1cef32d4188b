"""What an offline run of Weights & Biases has written, read as ``wandb sync`` would: records in a log file.

The file is a LevelDB log: after a header of 7 bytes, blocks of 32 KiB with chunks of records, each chunk with a
checksum, a length and a kind (whole, first, middle, last). Each record is a protobuf message of the client's own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as messages

BLOCK, HEADER = 32768, struct.Struct("<IHB")
WHOLE, LAST = 1, 4


@dataclass
class Recorded:
    """What the records come to."""

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of periods, without the client's own columns."""
        rows = [row for row in self.history if "period" in row]
        return [{name: value for name, value in row.items() if name[0] != "_"} for row in rows]


def read(folder: Path) -> Recorded:
    """Read an offline run's folder."""
    (file,) = folder.glob("*.wandb")
    found = Recorded()
    for record in _records(file.read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
            found.config |= _items(record.run.config.update)
        elif kind == "config":
            found.config |= _items(record.config.update)
        elif kind == "history":
            found.history.append(_items(record.history.item))
        elif kind == "summary":
            found.summary |= _items(record.summary.update)
        elif kind == "metric":
            found.metrics[record.metric.name or record.metric.glob_name] = record.metric
        elif kind == "artifact":
            found.artifacts[record.artifact.name] = record.artifact
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _records(data: bytes) -> Iterator[Any]:
    place, parts = 7, b""
    while place + HEADER.size <= len(data):
        if BLOCK - place % BLOCK < HEADER.size:  # the rest of a block is padding
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(data, place)
        place += HEADER.size
        parts += data[place : place + length]
        place += length
        if kind in (WHOLE, LAST):
            yield messages.Record.FromString(parts)  # type: ignore[attr-defined]
            parts = b""


def _items(items: Any) -> dict[str, Any]:
    found = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
    return dict(sorted(found.items()))  # they are written in any order
