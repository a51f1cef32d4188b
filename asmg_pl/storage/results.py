"""Files that somebody wants to read, such as a table or a page: at an address they are objects of the same names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from asmg_pl.storage.address import is_address, shown
from asmg_pl.storage.bucket import Bucket
from asmg_pl.storage.names import name


@contextmanager
def written_out(out: str | Path) -> Iterator[Path]:
    """Give the path to write to.

    Args:
        out: a path, or an address; what is written beside it, with another ending, goes there too.

    Yields:
        The path itself, or one on this machine, whose files are put up afterwards.

    Raises:
        StorageError: if the store does not take them.

    Examples:
        >>> with written_out("memory://docs/results/table") as path:
        ...     _ = path.with_suffix(".md").write_text("| method | AUC |")
        >>> Bucket("memory://docs/results").names("")
        ['table.md']
    """
    if not is_address(out):
        yield Path(out)
        return
    folder, _, last = str(out).rstrip("/").rpartition("/")
    bucket = Bucket(folder)
    with TemporaryDirectory(prefix="asmg-") as aside:
        name(Path(aside), shown(folder))
        yield Path(aside) / last
        for path in sorted(Path(aside).iterdir()):
            bucket.put(path, path.name)
