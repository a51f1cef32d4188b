"""Notes of early periods, in files beside the checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asmg_pl.checkpoints import archive
from asmg_pl.checkpoints.archive import Archive, add_filed
from asmg_pl.checkpoints.values import Flaw
from asmg_pl.metrics.results import PeriodResult


@pytest.fixture(autouse=True)
def few_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three periods fill a file."""
    monkeypatch.setattr(archive, "PERIODS", 3)


def walked(until: int) -> tuple[dict[int, PeriodResult], dict[int, Any], list[dict[str, Any]]]:
    """What a walk has noted from period 11 to another one."""
    periods = range(11, until + 1)
    results = {p: PeriodResult(p, "test", 9, 4, 0, 0, {"serving": {"auc": p / 100}}) for p in periods}
    learned = {p: {"item": {"moved": float(p)}} for p in periods if p > 12}
    timings = [{"period": p, "phase": phase} for p in (10, *periods) for phase in ("score", "update")]
    return results, learned, timings


def checkpoint(own: Archive, until: int) -> dict[str, Any]:
    """A checkpoint that has what is in no file."""
    results, learned, timings = walked(until)
    found: dict[str, Any] = {
        "results": {p: vars(r) for p, r in results.items() if p > own.until},
        "learned": {p: found for p, found in learned.items() if p > own.until},
        "callbacks": {"PeriodReport": {"timings": archive.timings_after(timings, own.until)}},
    }
    return found if own.entry is None else {**found, "filed": own.entry}


def whole(until: int) -> dict[str, Any]:
    """A checkpoint that has everything."""
    return checkpoint(Archive(), until)


def test_a_walk_of_few_periods_has_no_file(tmp_path: Path) -> None:
    own = Archive()
    own.put_away(tmp_path, *walked(15))
    assert own.entry is None
    assert list(tmp_path.iterdir()) == []


def test_files_and_checkpoint_together_have_every_note_once_and_in_order(tmp_path: Path) -> None:
    own = Archive()
    for until in range(11, 31):
        own.put_away(tmp_path, *walked(until))
        saved = checkpoint(own, until)
        assert len(saved["results"]) < 2 * 3
        add_filed(saved, tmp_path)
        expected = whole(until)
        assert {name: saved[name] for name in expected} == expected
        assert list(saved["results"]) == list(expected["results"])


def test_a_file_is_written_once(tmp_path: Path) -> None:
    own = Archive()
    written: dict[str, int] = {}
    for until in range(11, 31):
        own.put_away(tmp_path, *walked(until))
        now = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert written.items() <= now.items()
        written = now
    assert len(written) == 5


def test_a_walk_goes_on_with_the_files_of_its_checkpoint(tmp_path: Path) -> None:
    own = Archive()
    own.put_away(tmp_path, *walked(17))
    resumed = Archive(own.entry)
    for until in (18, 19, 20):
        own.put_away(tmp_path, *walked(until))
        resumed.put_away(tmp_path, *walked(until))
    assert resumed.entry == own.entry


def test_files_of_periods_that_a_walk_goes_back_before_are_removed(tmp_path: Path) -> None:
    own = Archive()
    own.put_away(tmp_path, *walked(17))
    earlier = Archive(own.entry)
    for until in range(18, 31):
        own.put_away(tmp_path, *walked(until))
    earlier.remove_later(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [earlier.newest]
    with pytest.raises(Flaw, match=r"is missing\. It has the notes of earlier periods: copy it"):
        add_filed(checkpoint(own, 30), tmp_path)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    own = Archive()
    own.put_away(tmp_path, *walked(17))
    path = tmp_path / str(own.newest)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(Flaw, match="is damaged"):
        add_filed(checkpoint(own, 17), tmp_path)


def test_another_files_content_is_refused(tmp_path: Path) -> None:
    own = Archive()
    own.put_away(tmp_path, *walked(17))
    first = str(own.newest)
    for until in (18, 19, 20):
        own.put_away(tmp_path, *walked(until))
    (tmp_path / first).write_bytes((tmp_path / str(own.newest)).read_bytes())
    with pytest.raises(Flaw, match="is damaged"):
        add_filed(checkpoint(own, 20), tmp_path)


def test_a_process_that_does_not_write_knows_the_files_all_the_same(tmp_path: Path) -> None:
    own, other = Archive(), Archive()
    own.put_away(tmp_path / "own", *walked(17))
    other.put_away(tmp_path / "other", *walked(17), write=False)
    assert own.entry == other.entry
    assert not (tmp_path / "other").exists()
