"""A process that stands still ends the walk, and the message names it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from distributed.test_walks import CUT, STREAM, WALK, metrics, walk
from end_to_end.test_processes import MODULE, with_tests
from patience import PATIENCE
from ports import free_port

from asmg_pl.callbacks import Heartbeat
from asmg_pl.errors import ConfigError

COPIES = ["--trainer.strategy=ddp", "--trainer.devices=2"]


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_time_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(ConfigError, match=rf"heartbeat\.timeout must be more than 0 seconds, or null, got {timeout}"):
        Heartbeat(timeout)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of an undisturbed walk of two processes."""
    folder = tmp_path_factory.mktemp("whole")
    assert walk(folder, 2, "IncrementalUpdate", *COPIES, sharded=False) == ""
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [0, 1])
def test_a_process_that_stands_still_is_named_and_the_walk_goes_on_as_if_undisturbed(
    tmp_path: Path, whole: Path, stopped: int
) -> None:
    """The first process holds the store of the beats: when that one is stopped, the store gives no answer."""
    halt = {"folder": str(tmp_path), "places": {f"machine-{stopped}": [2, 4]}, "stop": True}
    config = tmp_path / "halt.yaml"
    config.write_text(
        yaml.safe_dump({"trainer": {"callbacks": [{"class_path": "distributed.halt.Halt", "init_args": halt}]}})
    )
    given = ["fit", "--config", str(config), "--model=IncrementalUpdate", *f"{STREAM} {CUT} {WALK}".split(), *COPIES]
    given += [f"--trainer.default_root_dir={tmp_path / 'run'}", "--heartbeat.timeout=8"]
    where = with_tests() | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    where |= {"LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test"}
    running = [
        subprocess.Popen(
            [*MODULE, *given],
            env=where | {"RANK": rank, "LOCAL_RANK": rank, "MACHINE": f"machine-{rank}"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for rank in "01"
    ]
    try:
        said = running[1 - stopped].communicate(timeout=PATIENCE)[1]
        assert running[stopped].poll() is None
    finally:
        for process in running:
            process.kill()
    running[stopped].communicate()
    assert running[1 - stopped].returncode == 2
    (told,) = (line for line in said.splitlines() if "sign of life" in line)
    named = re.match(
        r"asmg: process (\d) of the walk \((.+), process id (\d+)\) has given no sign of life for 8 sec", told
    )
    assert named is not None, told
    assert named.groups() == (str(stopped), socket.gethostname(), str(running[stopped].pid))
    assert "in period 4 · update" in told
    assert "--ckpt_path last" in told
    assert running[stopped].returncode == -signal.SIGKILL

    assert walk(tmp_path / "run", 2, "IncrementalUpdate", *COPIES, "--ckpt_path=last", sharded=False) == ""
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert len(metrics(tmp_path / "run")) == 5
