"""The tool that kills commands tells what was lost from what was not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from killing.commands import COMMANDS, Command, Place, of_files
from killing.rounds import kill_once


def place_for(command: Command, folder: Path) -> Place:
    """A place in which nothing has been called yet."""
    (folder / "table.csv").write_text(
        "user,item,label,time\n" + "".join(f"{i % 7},{i},{i % 2},{10**9 + i}\n" for i in range(50))
    )
    return Place(folder, {command.name: {}}, {command.name: (0.0, 0.2)})


@pytest.fixture
def copying() -> Command:
    """A command of the program that writes a stream, which is begun anew after a kill."""
    columns = ("--user", "user", "--item", "item", "--label", "label", "--time", "time")
    return Command(
        "copy",
        lambda place, target: ["convert", "table.csv", "--out", target.name, *columns],
        lambda target: of_files(target, "part-*/user.npy"),
        lambda target: target.exists(),
    )


@pytest.mark.slow
def test_a_command_that_is_killed_and_called_again_leaves_what_is_expected(copying: Command, tmp_path: Path) -> None:
    place = place_for(copying, tmp_path)
    first = kill_once(copying, place, random.Random(0), chosen=False, number=0)
    assert first.kind == "lost"  # nothing is expected yet, and something was written
    place.expected["copy"] = copying.digest(place.target(copying, 0))
    second = kill_once(copying, place, random.Random(0), chosen=False, number=1)
    assert second == ("same bytes", [])


def test_all_commands_have_a_name_of_their_own() -> None:
    assert [command.name for command in COMMANDS.values()] == list(COMMANDS)
