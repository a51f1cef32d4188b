"""What the daily job has decided, in the run folder.

    RUN/updates.csv       a row for each version that was published or held back, with the reasons
    RUN/.publishing.json  the row of a version that is being published

``.publishing.json`` is written before the store's pointer moves, and goes when the row stands in ``updates.csv``. A
program that is killed in between leaves it, and the next one adds the row.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import polars as pl

from asmg_pl.errors import DataError
from asmg_pl.experiments.run_files import table_of
from asmg_pl.system.files import remove, written_whole

UPDATES, PUBLISHING = "updates.csv", ".publishing.json"

PUBLISHED, HELD_BACK = "published", "held back"


@dataclass(frozen=True)
class Entry:
    """A decision on a version.

    Attributes:
        at: when it was made (UTC).
        walk: the beginning of the walk's identity, which ``walk.json`` has.
        outcome: ``"published"`` or ``"held back"``.
        version: the version's name, or that which it would have.
        instead_of: the version that served until then; empty if there was none.
        compared: the periods of the comparison with that version, with blanks between them.
        difference: the mean difference of LogLoss over these periods; above 0 the new one is worse.
        calibration: the mean probability over the mean label of the latest periods.
        forced: whether the version was published against the reasons.
        reasons: what speaks against the version, with semicolons between the reasons.
    """

    at: str
    walk: str
    outcome: str
    version: str
    instead_of: str
    compared: str
    difference: float | None
    calibration: float | None
    forced: bool
    reasons: str


class Journal:
    """The records of a run's updates.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> entry = Entry("2024-04-20 05:00:00", "9f3a", "published", "after-period-031", "", "", None, 1.0, False, "")
        >>> with TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder))
        ...     journal.begin(entry)  # a program that is killed here ...
        ...     journal.recover("after-period-031")  # ... is caught up with by the next one
        ...     journal.was_published("after-period-031", "9f3a"), [path.name for path in Path(folder).iterdir()]
        (True, ['updates.csv'])
    """

    def __init__(self, folder: Path) -> None:
        """Name the run folder."""
        self.folder = folder

    def recover(self, current: str | None) -> None:
        """Add the row of a version that a killed program has published; forget one that it has not."""
        path = self.folder / PUBLISHING
        if not path.exists():
            return
        try:
            entry = Entry(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            raise DataError(f"{path} is damaged: remove it, only a row of {UPDATES} is lost") from None
        if entry.version == current and not self._entries().tail(1).equals(_row(entry)):
            self.add(entry)
        remove(path)

    def begin(self, entry: Entry) -> None:
        """Note that a version is about to be published."""
        with written_whole(self.folder / PUBLISHING) as partial:
            partial.write_text(json.dumps(asdict(entry)) + "\n", encoding="utf-8")

    def end(self, entry: Entry) -> None:
        """Note that it has been published."""
        self.add(entry)
        remove(self.folder / PUBLISHING)

    def add(self, entry: Entry) -> None:
        """Add a row."""
        with written_whole(self.folder / UPDATES) as partial:
            pl.concat([self._entries(), _row(entry)]).write_csv(partial)

    def was_published(self, version: str, walk: str) -> bool:
        """Whether an update has published a version of a walk."""
        return not self._entries().filter(version=version, walk=walk, outcome=PUBLISHED).is_empty()

    def _entries(self) -> pl.DataFrame:
        path = self.folder / UPDATES
        if not path.exists():
            return pl.DataFrame(schema=_ENTRY)
        found = table_of(path, {field.name: _read_as(field.name) for field in fields(Entry)})
        return found.with_columns(forced=pl.col("forced") == "true").select(
            pl.col(name).cast(kind) for name, kind in _ENTRY.items()
        )


def _row(entry: Entry) -> pl.DataFrame:
    return pl.DataFrame([asdict(entry)], schema=_ENTRY)


def _read_as(name: str) -> type:
    return float if name in ("difference", "calibration") else str


_ENTRY: dict[str, type[pl.DataType]] = {
    field.name: pl.Float64 if _read_as(field.name) is float else pl.Boolean if field.name == "forced" else pl.String
    for field in fields(Entry)
}
