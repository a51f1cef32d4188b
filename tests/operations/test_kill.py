"""An update that is killed at any moment, and called again, leaves what an undisturbed one leaves, byte for byte."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from end_to_end.program import environment
from operations.shop import Shop

#: Calls ``asmg update``, and kills itself when a function is called for the n-th time, before or after its work.
PROGRAM = """
import importlib, os, signal, sys
place, when, times, *arguments = sys.argv[1:]
module, _, path = place.partition(":")
*owners, name = path.split(".")
owner = importlib.import_module(module)
for each in owners:
    owner = getattr(owner, each)
real, called = getattr(owner, name), []
def killing(*given, **options):
    called.append(name)
    if len(called) == int(times) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(*given, **options)
    if len(called) == int(times):
        os.kill(os.getpid(), signal.SIGKILL)
    return found
setattr(owner, name, killing)
from asmg_pl.cli.main import main
sys.argv = ["asmg", "update", *arguments]
main()
"""

PLACES = {
    "before the rows join the stream": ("asmg_pl.data.stream.manifest:Manifest.write", "before", 1),
    "when the rows have joined it": ("asmg_pl.data.stream.manifest:Manifest.write", "after", 1),
    "before the first checkpoint": ("asmg_pl.checkpoints.io:AtomicCheckpointIO.save_checkpoint", "before", 1),
    "between two checkpoints": ("asmg_pl.checkpoints.io:AtomicCheckpointIO.save_checkpoint", "after", 3),
    "after the last checkpoint": ("asmg_pl.callbacks.report:plot_results", "before", 1),
    "while the gate's table is written": ("asmg_pl.operations.comparison:Comparison._write", "before", 1),
    "while the package is written": ("asmg_pl.serving.writer:note_intact", "before", 1),
    "before the package has its name": ("asmg_pl.serving.store:Store.sweep", "after", 2),
    "before the pointer moves": ("asmg_pl.operations.journal:Journal.begin", "after", 1),
    "when the pointer has moved": ("asmg_pl.serving.store:Store.publish", "after", 1),
    "before the decision is logged": ("asmg_pl.operations.journal:Journal.add", "before", 1),
    "when the decision is logged": ("asmg_pl.operations.journal:Journal.add", "after", 1),
    "while old versions are removed": ("asmg_pl.serving.store:Store.remove", "before", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_killed_update_that_is_called_again_leaves_what_an_undisturbed_one_leaves(
    shop: Shop, undisturbed: Shop, place: str
) -> None:
    arguments = [str(shop.run), str(shop.day(0)), str(shop.day(1)), "--keep", "1"]
    assert shop.update() == 0
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, PLACES[place]), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        cwd=Path(__file__).parents[2],
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert shop.update(*arguments[1:]) in (0, 4)
    assert shop.left() == undisturbed.left()
    assert not [path for path in shop.folder.rglob("*.partial") if "serving" not in path.parts]


@pytest.fixture(scope="module")
def undisturbed(opened: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop after the same updates, which nobody has killed."""
    shop = opened.copied(tmp_path_factory.mktemp("undisturbed") / "shop")
    assert shop.update() == 0
    assert shop.update(shop.day(0), shop.day(1), "--keep", "1") == 0
    return shop
