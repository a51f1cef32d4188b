"""Running a function in several processes of one gloo group."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from patience import PATIENCE

from asmg_pl.cli import failure
from asmg_pl.cli.main import main

_context = multiprocessing.get_context("forkserver")
# imported once for all processes
_context.set_forkserver_preload(["asmg_pl.cli.commands.fit", "torch.distributed.checkpoint"])


def on_ranks(ranks: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call ``function(*arguments)`` in each process; what each returned, by rank."""
    with tempfile.TemporaryDirectory() as folder:
        pipes = [_context.Pipe(duplex=False) for _ in range(ranks)]
        processes = [
            _context.Process(target=_one, args=(rank, ranks, folder, pipes[rank][1], function, arguments))
            for rank in range(ranks)
        ]
        os.environ["OMP_NUM_THREADS"] = "1"
        for process in processes:
            process.start()
        try:
            for _, sender in pipes:
                sender.close()
            results = [receiver.recv() if receiver.poll(PATIENCE) else None for receiver, _ in pipes]
            for process in processes:
                process.join(PATIENCE)
            assert [process.exitcode for process in processes] == [0] * ranks
            return results
        finally:
            for process in processes:
                process.kill()


def _one(rank: int, ranks: int, folder: str, answer: Any, function: Callable[..., Any], arguments: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{Path(folder) / 'rendezvous'}", rank=rank, world_size=ranks)
    answer.send(function(*arguments))
    dist.barrier()
    dist.destroy_process_group()


def asmg(*arguments: object) -> tuple[int, str]:
    """Call the program in each process, as torchrun would; its exit status and what it wrote to stderr."""
    rank, ranks = str(dist.get_rank()), str(dist.get_world_size())
    os.environ |= {"TORCHELASTIC_RUN_ID": "test", "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": "0"}
    os.environ |= {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    failure.PATIENCE = 0.0  # nobody ends the others
    sys.argv = ["asmg", *map(str, arguments)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), errors.getvalue()
    return 0, errors.getvalue()
