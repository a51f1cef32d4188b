"""The models that a run has kept: of each period the one that served after it.

They are checkpoints (``--checkpoint.keep -1``) or, where these do not reach, serving packages (``--export.keep -1``).
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from asmg_pl.callbacks.run_folder import CHECKPOINTS, last_period
from asmg_pl.checkpoints.io import WALK, newest_first, read_checkpoint
from asmg_pl.checkpoints.schema import stream_of
from asmg_pl.data import PeriodDataModule
from asmg_pl.errors import CheckpointError
from asmg_pl.serving.manifest import FILE, Manifest
from asmg_pl.serving.store import FOLDER, Store

#: Models by the period after which they served.
Kept = dict[int, Path]


def checkpoints_in(folder: Path, data: PeriodDataModule) -> Kept:
    """The checkpoints of a run in which a period has been walked to its end; cut the stream as the walk did.

    Args:
        folder: the run folder.
        data: the stream of the walk.

    Raises:
        CheckpointError: if the newest checkpoint cannot be read, or is one of another stream.
    """
    found = newest_first(folder / CHECKPOINTS)
    if not found:
        return {}
    newest = read_checkpoint(found[0])
    data.load_state_dict(stream_of(newest)[1])
    kept = {last_period(path): path for path in reversed(found)}
    if newest["place"]["period"] <= last_period(found[0]):
        del kept[last_period(found[0])]
    return dict(sorted(kept.items()))


def packages_in(folder: Path) -> Kept:
    """The serving packages in a run's store; of several of one period, the latest.

    Raises:
        PackageError: if one is damaged.
    """
    store = Store(folder / FOLDER)
    paths = [store.path(name) for name in store.versions()]
    return {int(Manifest.read(path).provenance["period"]): path for path in paths}


def content_of(path: Path) -> str:
    """A digest of a model's content, from the checksums that it was written with; nothing else is read.

    Args:
        path: of a checkpoint, or of a package.

    Raises:
        UserError: if the file is damaged.
    """
    if (path / FILE).is_file():
        manifest = Manifest.read(path)
        return _digest([(name, entry.sha256) for name, entry in sorted(manifest.files.items())])
    try:
        with zipfile.ZipFile(path / WALK if path.is_dir() else path) as archive:
            return _digest([(part.filename.partition("/")[2], part.CRC, part.file_size) for part in archive.infolist()])
    except (OSError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint of this program: move it away, and its period is left out"
        ) from error


def _digest(parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
