"""The models that a run has kept: of each period the one that served after it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asmg_pl.callbacks.run_folder import CHECKPOINTS, last_period
from asmg_pl.checkpoints.io import WALK, newest_first, read_checkpoint
from asmg_pl.checkpoints.schema import stream_of
from asmg_pl.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class Kept:
    """The models that a run has kept.

    Attributes:
        paths: the checkpoint of each period's end, by period.
        stream: of the newest checkpoint, how the stream was cut; see :meth:`PeriodDataModule.state_dict`.
        pretrained: how many periods pre-trained the models.
    """

    paths: Mapping[int, Path]
    stream: dict[str, Any]
    pretrained: int


def kept_models(folder: Path, pretrained: int) -> Kept:
    """Find the checkpoints of a run in which a period has been walked to its end.

    Args:
        folder: the run folder.
        pretrained: how many periods pre-train; earlier checkpoints have models that never served.

    Raises:
        ConfigError: if there is no checkpoint.
        CheckpointError: if the newest one cannot be read.
    """
    found = newest_first(folder / CHECKPOINTS)
    if not found:
        raise ConfigError(
            f"{folder} has no checkpoint: give the folder of a walk (asmg fit … --checkpoint.keep -1 keeps a model of "
            "each period)"
        )
    newest = read_checkpoint(found[0])
    paths: dict[int, Path] = {}
    for path in reversed(found):
        paths[last_period(path)] = path
    if newest["place"]["period"] <= last_period(found[0]):
        del paths[last_period(found[0])]
    served = {period: path for period, path in paths.items() if period >= pretrained}
    return Kept(dict(sorted(served.items())), stream_of(newest)[1], pretrained)


def content_of(path: Path) -> str:
    """A digest of a checkpoint's content, from the checksums that its archive has; nothing else is read.

    Raises:
        CheckpointError: if it is no archive.
    """
    try:
        with zipfile.ZipFile(path / WALK if path.is_dir() else path) as archive:
            parts = [(part.filename.partition("/")[2], part.CRC, part.file_size) for part in archive.infolist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint of this program: move it away, and its period is left out"
        ) from error
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
