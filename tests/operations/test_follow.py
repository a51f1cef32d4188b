"""A folder is followed: one update for each file, until the program is told to stop."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from end_to_end.program import command, environment
from operations.shop import Shop
from patience import PATIENCE

from asmg_pl.errors import BusyError, DataError
from asmg_pl.operations import Outcome, Updated
from asmg_pl.operations.arrivals import Arrivals
from asmg_pl.operations.follow import follow


class Job:
    """A daily job that only notes the files, and stops the program after so many updates."""

    def __init__(self, updates: int, busy: int = 0, whole: str = "") -> None:
        self.taken: list[list[str]] = []
        self.updates, self.busy, self.whole = updates, busy, whole

    def __call__(self, files: Sequence[Path]) -> Updated:
        if self.busy:
            self.busy -= 1
            raise BusyError("another program updates the run")
        if any(not path.read_text().endswith(self.whole) for path in files):
            raise DataError("the file ends here")
        self.taken.append([path.name for path in files])
        return Updated(Outcome.PUBLISHED, "")

    def stopping(self) -> bool:
        return len(self.taken) >= self.updates


def incoming(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text(f"user,item\n{name},1\n")
    return folder


def followed(folder: Path, job: Job, due: Callable[[], bool] = lambda: False) -> list[list[str]]:
    follow(Arrivals(folder), job, dict, lambda updated: None, due, job.stopping, every=0.0)
    return job.taken


def test_each_file_is_an_update_after_one_that_does_what_was_left(tmp_path: Path) -> None:
    """So it makes no difference how many files have arrived by then."""
    assert followed(incoming(tmp_path, "2.csv", "1.csv", "3.csv"), Job(4)) == [[], ["1.csv"], ["2.csv"], ["3.csv"]]


def test_a_file_is_taken_once_also_if_it_brings_no_row(tmp_path: Path) -> None:
    looks = iter([False, False, False, True])
    assert followed(incoming(tmp_path, "1.csv"), Job(3), due=lambda: next(looks)) == [[], ["1.csv"], []]


def test_while_another_program_updates_the_file_waits(tmp_path: Path) -> None:
    job = Job(2, busy=3)
    assert followed(incoming(tmp_path, "1.csv"), job) == [[], ["1.csv"]]
    assert job.busy == 0


def test_a_file_that_cannot_be_read_waits_if_somebody_goes_on_writing_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, rest = incoming(tmp_path, "1.csv", "2.csv"), iter(["1,2\n", "end\n"])

    class Writing(Job):
        """Two looks find the file unchanged; after each of them, its writer goes on."""

        def __call__(self, files: Sequence[Path]) -> Updated:
            try:
                return super().__call__(files)
            except DataError:
                with files[0].open("a") as file:
                    file.write(next(rest))
                raise

    (folder / "2.csv").write_text("user,item\nend\n")
    assert followed(folder, Writing(3, whole="end\n")) == [[], ["1.csv"], ["2.csv"]]
    assert caplog.text.count("the file ends here\nSomebody goes on writing the file") == 2


def test_a_file_that_cannot_be_read_and_stays_as_it_is_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file ends here"):
        followed(incoming(tmp_path, "1.csv"), Job(2, whole="end\n"))


def wait_for(told: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not told():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_folder_is_followed_until_a_signal_and_what_is_left_is_what_single_updates_leave(
    opened: Shop, shop: Shop, tmp_path: Path
) -> None:
    folder, other = tmp_path / "incoming", opened.copied(tmp_path / "other")
    folder.mkdir()
    process = subprocess.Popen(
        command("update", other.run, "--follow", folder, "--every", "0.1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        shutil.copy(shop.day(0), folder / "day-0.csv.tmp")
        wait_for(lambda: other.current == "after-period-000006", process)
        (folder / "day-0.csv.tmp").rename(folder / "day-0.csv")
        shutil.copy(shop.day(1), folder / ".day-1.csv")
        wait_for(lambda: other.current == "after-period-000007", process)
        (folder / ".day-1.csv").rename(folder / "day-1.csv")
        wait_for(lambda: len(list(other.stream.glob("part-*"))) == 3, process)
        process.send_signal(signal.SIGTERM)  # in the middle of the second day's update, which is finished
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert [line.split(": ")[1].split(" (")[0] for line in out.splitlines() if " UTC " in line] == [
        "published after-period-000006",
        "published after-period-000007 instead of after-period-000006",
        "published after-period-000008 instead of after-period-000007",
    ]
    for files in ([], [shop.day(0)], [shop.day(1)]):
        assert shop.update(*files) == 0
    assert other.left() == shop.left()
