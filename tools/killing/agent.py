"""A walk of two machines under torchrun, of which one is lost with its process of the walk, and comes back."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist

from killing.scene import WALK, Found, Scene, kill_all, scores

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1:2", "--nproc-per-node", "1"]
TORCHRUN += ["--max-restarts", "9", "--rdzv-backend", "c10d"]
QUICK = "is_host=false,last_call_timeout=5,keep_alive_interval=1,keep_alive_max_attempt=3"


class Agent(Scene):
    """``torchrun … -m asmg_pl fit`` on two agents."""

    name = "torchrun agent"

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Start nothing yet."""
        super().__init__(folder, stack)
        self._agents: list[subprocess.Popen[bytes]] = []

    def start(self, number: int) -> None:
        """Start both agents, and the store where they meet."""
        self._number = number
        self._store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
        self._agents = [self._agent(address) for address in (1, 2)]

    def begun(self, number: int) -> bool:
        """Whether there is a checkpoint."""
        return any(self._run(number).glob("checkpoints/*.ckpt"))

    def running(self) -> bool:
        """Whether the walk has not ended. Its agents take some time afterwards, and then want no other one to join."""
        ended = any(self._run(self._number).glob("checkpoints/period-000012-*-update.ckpt"))
        return not ended and any(agent.poll() is None for agent in self._agents)

    def lose(self, draw: random.Random) -> None:
        """Kill one agent and its process of the walk; start another one seconds later."""
        lost = draw.randrange(2)
        kill_all(self._agents[lost])
        time.sleep(draw.uniform(0, 20))
        if self._agents[1 - lost].poll() is None:
            self._agents[lost] = self._agent(lost + 1)
        else:
            del self._agents[lost]

    def end(self) -> int:
        """Wait for the agents: one has done the walk. One that joins after the walk's end is refused by torchrun."""
        return min(agent.wait() for agent in self._agents)

    def left(self, number: int) -> Found:
        """The scores."""
        return scores(self._run(number))

    def same(self, found: Found, expected: Found) -> bool:
        """Whether scores are equal up to rounding, as one process adds in another order than two."""
        return found.keys() == expected.keys() and all(_close(found[name], expected[name]) for name in expected)

    def _agent(self, address: int) -> subprocess.Popen[bytes]:
        meet = ["--rdzv-endpoint", f"127.0.0.1:{self._store.port}", "--local-addr", f"127.0.0.{address}"]
        meet += ["--rdzv-conf", QUICK, "-m", "asmg_pl"]
        walk = [*WALK, "--trainer.strategy", "ddp", "--trainer.default_root_dir", self._run(self._number).name]
        log = f"{self._number}-{address}.log"
        return self.call([*TORCHRUN, *meet, *walk], log, TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")

    def _run(self, number: int) -> Path:
        return self.folder / f"run-{number}"


def _close(found: Any, expected: Any) -> bool:
    """Whether a column of texts is the same, or has numbers that are nearly the same."""
    if found == expected:
        return True
    try:
        return np.allclose(np.asarray(found, float), np.asarray(expected, float), atol=1e-5, equal_nan=True)
    except (TypeError, ValueError):
        return False
