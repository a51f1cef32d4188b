"""A walk outlives the loss of a machine: it goes on with fewer processes, and with more when the machine comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from distributed.test_walks import CUT, METHODS, SHARDED, STREAM, WALK, walk
from distributed.test_walks import assert_same as assert_same_sharded
from end_to_end.program import environment
from end_to_end.test_processes import assert_same
from patience import PATIENCE
from ports import free_port
from torch.distributed import TCPStore  # type: ignore[attr-defined]

DDP = "--trainer.strategy=ddp"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1:2", "--nproc-per-node", "1"]
TORCHRUN += ["--max-restarts", "3", "--rdzv-backend", "c10d"]
QUICK = "last_call_timeout=5,keep_alive_interval=1,keep_alive_max_attempt=3"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of an undisturbed walk in a single process."""
    folder = tmp_path_factory.mktemp("alone")
    assert walk(folder, 1, "ASMG", sharded=False) == ""
    return folder


class Machines:
    """Two machines on this one, each with torchrun and a process of the walk."""

    def __init__(self, folder: Path, port: int, store: str, options: str, places: dict[str, list[int]]) -> None:
        """Take the machine that holds the store of torchrun; without a name, a third machine does."""
        self.folder, self.port, self.store = folder, port, store
        self.third = None if store else TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
        config = folder / "halt.yaml"
        halt = {"class_path": "distributed.halt.Halt", "init_args": {"folder": str(folder), "places": places}}
        config.write_text(yaml.safe_dump({"trainer": {"callbacks": [halt]}}))
        called = f"fit --config={config} --model=ASMG {STREAM} {CUT} {WALK} {METHODS['ASMG']} {options}"
        self.called = [*called.split(), f"--trainer.default_root_dir={folder / 'run'}", "--ckpt_path=last"]

    def start(self, name: str, address: str, stack: ExitStack) -> subprocess.Popen[bytes]:
        """Start a machine's torchrun. The machine with the smaller address has the first process."""
        meet = ["--rdzv-endpoint", f"127.0.0.1:{self.port}", "--local-addr", address]
        meet += ["--rdzv-conf", f"is_host={name == self.store},{QUICK}", "-m", "asmg_pl"]
        paths = filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
        environ = environment() | {"PYTHONPATH": os.pathsep.join(paths), "MACHINE": name}
        environ |= {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        log = stack.enter_context((self.folder / f"{name}.log").open("ab"))
        called = [*TORCHRUN, *meet, *self.called]
        started = subprocess.Popen(called, env=environ, stdout=log, stderr=log, start_new_session=True)
        stack.callback(end, started)
        return started

    def halted(self, name: str) -> list[int]:
        """Wait until a machine halts; its process of the walk, and its torchrun."""
        wait_for(self.folder / name, self.log)
        return [int(number) for number in (self.folder / name).read_text().split()]

    def log(self) -> str:
        """What all of them have written."""
        return "\n".join(path.read_text() for path in self.folder.glob("*.log"))

    def walked(self) -> dict[tuple[int, str], list[int]]:
        """With how many processes each phase was begun, each time."""
        found: dict[tuple[int, str], list[int]] = {}
        for line in (self.folder / "walked.txt").read_text().splitlines():
            period, phase, processes = line.split()
            found.setdefault((int(period), phase), []).append(int(processes))
        return found


def end(process: subprocess.Popen[bytes]) -> None:
    """End a torchrun that is still there, which ends its process of the walk."""
    if process.poll() is None:
        process.terminate()
        process.wait()


def wait_for(sign: Path, log: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not sign.exists():
        assert time.monotonic() < deadline, log() if callable(log) else log
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "lost"), [(DDP, "second"), (SHARDED, "first")], ids=["copies", "sharded"])
def test_a_walk_goes_on_without_a_lost_machine_and_with_it_again(
    tmp_path: Path, alone: Path, strategy: str, lost: str
) -> None:
    addresses = {"first": "127.0.0.1", "second": "127.0.0.2"}
    kept = next(name for name in addresses if name != lost)
    with ExitStack() as stack:
        store = kept if strategy == DDP else ""
        machines = Machines(tmp_path, free_port(), store, strategy, {lost: [2, 4], kept: [1, 5]})
        running = {name: machines.start(name, address, stack) for name, address in addresses.items()}
        worker, agent = machines.halted(lost)
        assert agent == running[lost].pid
        for number in (agent, worker):
            os.kill(number, signal.SIGKILL)
        machines.halted(kept)
        running[lost] = machines.start(lost, addresses[lost], stack)
        for process in running.values():
            assert process.wait(PATIENCE) == 0, machines.log()
    walked = machines.walked()
    assert walked[(4, "score")][-1:] == [2]
    assert walked[(4, "update")][-2:] == [2, 1]
    assert walked[(5, "update")] == [1, 2]
    assert walked[(7, "update")] == [2]
    (assert_same if strategy == DDP else assert_same_sharded)(tmp_path / "run", alone)
