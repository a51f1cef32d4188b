"""A study on a Ray cluster of a head and two nodes, of which one is lost and another one joins."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from killing.scene import WALK, Found, Scene, scores

NODE: dict[str, Any] = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
METHODS = "iu", "bu3"


class RayNode(Scene):
    """``asmg compare --cluster`` of two methods, each on a node of its own."""

    name = "Ray node"

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Start the cluster; its head takes no walk."""
        super().__init__(folder, stack)
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        os.environ |= {"RAY_worker_niceness": "0"}  # walks have the priority of the tool
        os.environ.pop("RAY_ADDRESS", None)
        from ray.cluster_utils import Cluster

        head = NODE | {"include_dashboard": False, "num_cpus": 0}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        stack.callback(self._cluster.shutdown)
        self._nodes = [self._cluster.add_node(**NODE, num_cpus=1) for _ in METHODS]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, number: int) -> None:
        """Walk the study."""
        study = [
            "compare",
            f"study-{number}",
            "--methods",
            *METHODS,
            "--seeds",
            "1",
            "--cluster",
            self._cluster.address,
        ]
        options = [each for each in WALK[3:] if each not in ("--ckpt_path", "last")]
        self._process = self.call([sys.executable, "-m", "asmg_pl", *study, "--", *options], f"{number}.log")

    def begun(self, number: int) -> bool:
        """Whether a walk has begun."""
        return any((self.folder / f"study-{number}").glob("*/seed-1/checkpoints/*.ckpt"))

    def running(self) -> bool:
        """Whether the study has not ended."""
        assert self._process is not None
        return self._process.poll() is None

    def lose(self, draw: random.Random) -> None:
        """Kill a node; another one joins at once."""
        lost = draw.randrange(len(self._nodes))
        self._cluster.remove_node(self._nodes[lost], allow_graceful=False)
        self._nodes[lost] = self._cluster.add_node(**NODE, num_cpus=1)

    def end(self) -> int:
        """Wait for the study."""
        assert self._process is not None
        return self._process.wait()

    def left(self, number: int) -> Found:
        """The scores of all walks."""
        return {method: scores(self.folder / f"study-{number}" / method / "seed-1") for method in METHODS}
