"""Sharded tables: bytes sent and seconds per step, for tables of several sizes on one and more ranks, on the CPU.

Users and items of a mini-batch are drawn from as many active ones at every size of the tables, spread over all rows. A
figure that has a ``predicted`` one beside it is what the formulas of ``docs/scale.md`` give. Of the steps' times the
least is taken: on a machine that does other work too, it says most about the program.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from asmg_pl.data.batch import Batch, RankShare
from asmg_pl.data.log import Sizes
from asmg_pl.distributed import Layout, Traffic, shard
from asmg_pl.distributed.processes import average_gradients
from asmg_pl.generators import ResidualGRU
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import ASMG
from asmg_pl.updaters.losses import cross_entropy
from asmg_pl.updaters.memory import size_of
from asmg_pl.updaters.optim.adam import Adam, RowAdam
from benchmarks.formulas import Walk

SHARDS = 960


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes."""
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000, 2_000_000], help="rows of each table")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--active", type=int, default=20_000, help="users, and items, that have rows in the stream")
    parser.add_argument("--batch", type=int, default=1024, help="rows of a mini-batch, of all ranks together")
    parser.add_argument("--history", type=int, default=30, help="items of a row's history")
    parser.add_argument("--width", type=int, default=8, help="width of the embeddings, D")
    parser.add_argument("--hidden", type=int, default=4, help="the generator's state, H")
    parser.add_argument("--window", type=int, default=3, help="snapshots, k")
    parser.add_argument("--steps", type=int, default=20, help="steps of each kind")


def measure(given: argparse.Namespace) -> dict[str, float]:
    """All figures by name, of the slowest rank or of the one that sends most."""
    figures: dict[str, float] = {}
    for ranks in given.ranks:
        for rows in given.rows:
            of_ranks = _on_ranks(ranks, rows, given)
            for name in of_ranks[0]:
                figures[f"{ranks} ranks, {rows:,} rows, {name}"] = max(found[name] for found in of_ranks)
    return figures


def _on_ranks(ranks: int, rows: int, given: argparse.Namespace) -> list[dict[str, float]]:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        place = f"file://{Path(folder).resolve() / 'rendezvous'}"
        with context.Pool(ranks) as pool:
            return pool.starmap(_rank, [(rank, ranks, rows, place, given) for rank in range(ranks)], chunksize=1)


def _rank(rank: int, ranks: int, rows: int, place: str, given: argparse.Namespace) -> dict[str, float]:
    """One rank's figures."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", place, rank=rank, world_size=ranks)
    torch.manual_seed(0)
    updater = ASMG(
        Sizes(users=rows, items=rows),
        recommender=lambda sizes: EmbeddingMLP(sizes, embedding_dim=given.width),
        generator=lambda shapes: ResidualGRU(shapes, hidden_size=given.hidden),
        window=given.window,
        row_wise=True,
    )
    traffic = shard(updater, {name: Layout(rows, SHARDS, rank, ranks) for name in ("user", "item")})
    for _ in range(given.window):
        updater.history.push(updater.recommender)
    with contextlib.suppress(OSError):  # without a compiler the plain cells do, as in a walk
        updater.generator.fuse(torch.device("cpu"))
    dense = list(updater.recommender.dense_parameters().values())
    update = Step(1, partial(_update_loss, updater), RowAdam(updater.recommender.parameters(), lr=1e-3), dense)
    weights = list(updater.generator.parameters())
    generate = Step(given.window, partial(_generator_loss, updater), Adam(weights, lr=1e-2), weights)
    walk = Walk(
        rows=2 * rows,
        width=given.width,
        hidden=given.hidden,
        window=given.window,
        dense=sum(p.numel() for p in dense),
        generator=sum(p.numel() for p in weights),
        ranks=ranks,
    )
    figures: dict[str, float] = {}
    for name, step in {"update": update, "generate": generate}.items():
        figures |= {f"{name}, {figure}": value for figure, value in _measure(step, rows, walk, traffic, given).items()}
    states = chain(*(state.values() for step in (update, generate) for state in step.optimizer.state.values()))
    moments = sum(t.nbytes for t in states if t.ndim)
    figures["bytes held"] = size_of(updater) + moments
    figures["bytes held, predicted"] = walk.held()
    dist.destroy_process_group()
    return figures


@dataclass
class Step:
    """A kind of step.

    Attributes:
        batches: mini-batches that it reads.
        loss: of them.
        optimizer: what moves.
        replicated: parameters whose gradients are added up over all ranks.
    """

    batches: int
    loss: Callable[[list[Batch]], Tensor]
    optimizer: torch.optim.Optimizer
    replicated: list[nn.Parameter]


def _update_loss(updater: ASMG, batches: list[Batch]) -> Tensor:
    (batch,) = batches
    return updater.cross_entropy(batch)


def _generator_loss(updater: ASMG, batches: list[Batch]) -> Tensor:
    logits = updater.generated_logits(tuple(batches))
    losses = [cross_entropy(each, batch.label, batch) for each, batch in zip(logits, batches, strict=True)]
    return torch.stack(losses) @ updater.position_weights


def _measure(step: Step, rows: int, walk: Walk, traffic: Traffic, given: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step, and the bytes that this rank sends in it; the first step warms up."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    seconds, asked, sent = [], [], []
    for number in range(given.steps + 1):
        batches = [_batch(number * step.batches + i, rank, ranks, rows, given) for i in range(step.batches)]
        asked.append(sum(len(b.user.unique()) + len(_items(b).unique()) for b in batches))
        before = traffic.sent
        dist.barrier()
        began = time.perf_counter()
        step.optimizer.zero_grad()
        step.loss(batches).backward()
        average_gradients(step.replicated)
        step.optimizer.step()
        seconds.append(time.perf_counter() - began)
        sent.append(traffic.sent - before)
    ids = statistics.mean(asked[1:])
    return {
        "seconds of the fastest step": min(seconds[1:]),
        "distinct ids per step": ids,
        "bytes sent per step": statistics.mean(sent[1:]),
        "bytes sent per step, predicted": walk.sent(ids, step.batches),
        "bytes of replicated gradients": sum(p.nbytes for p in step.replicated),
    }


def _items(batch: Batch) -> Tensor:
    return torch.cat([batch.item[:, None], batch.history], 1)


def _batch(number: int, rank: int, ranks: int, rows: int, given: argparse.Namespace) -> Batch:
    """This rank's share of a mini-batch of active users and items."""
    draw = torch.Generator().manual_seed(number)

    def ids(*shape: int) -> Tensor:
        popular = (given.active * torch.rand(shape, generator=draw) ** 2).long()  # few have most of the rows
        return RankShare.take((popular * 2_654_435_761) % rows, rank, ranks)

    user, item, history = ids(given.batch), ids(given.batch), ids(given.batch, given.history)
    label = RankShare.take(torch.randint(2, (given.batch,), generator=draw).float(), rank, ranks)
    length = torch.full_like(user, given.history)
    return Batch(user, item, history, length, label, share=RankShare(given.batch, ranks))
