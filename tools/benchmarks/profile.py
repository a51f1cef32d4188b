"""Where a generator step spends its time, part by part, beside an incremental step.

The generator on a few rows, which stay in the processor's nearest cache, says what its arithmetic alone takes. This and
the base model on the mini-batches are what no generator step goes without.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call

from asmg_pl.data.mini_batches.loader import MiniBatches, permutation
from asmg_pl.generators import Generator
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.recommenders import Lookup
from asmg_pl.recommenders.touched import read_after, touched_rows
from asmg_pl.updaters.losses import cross_entropy
from asmg_pl.updaters.optim.adam import Adam
from benchmarks import workload as workloads
from benchmarks.step import base_step, generator_step
from benchmarks.timing import clock_of, medians
from benchmarks.walks import ZipfStream
from benchmarks.workload import Workload

#: Rows whose snapshots and state stay in the cache of a core, and how often each of them is taken.
NEAR, AGAIN = 1024, 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a step."""
    workloads.add_arguments(parser)
    workloads.add_generator(parser)


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds of each part alone, of the whole steps, and of each part of the incremental one."""
    torch.set_num_threads(given.threads)
    workload = Workload(given)
    updater = workload.updater()
    recommender, history, generator = updater.recommender, updater.history, updater.generator
    batches = next(workload.steps(1))
    log = ZipfStream(given, given.batch_size, given.window).read(None)
    parts = permutation(len(log), 0).split(given.batch_size)

    def lookups() -> list[dict[str, Tensor]]:
        return [recommender.lookups(batch) for batch in batches]

    asked = lookups()

    def touch() -> dict[str, tuple[Tensor, list[Tensor]]]:
        tables = recommender.table_parameters()
        return {name: touched_rows([ids[name] for ids in asked], len(table)) for name, table in tables.items()}

    touched = touch()

    read = {name: read_after(places, len(ids), given.window) for name, (ids, places) in touched.items()}

    def generate() -> dict[str, Tensor]:
        asked = read if given.device == "cpu" else {}
        stored = {name: history.stored(name, ids, asked.get(name)) for name, (ids, _) in touched.items()}
        return {name: generator.generate_stored(name, rows) for name, rows in stored.items()}

    rows = {name: made.detach().requires_grad_() for name, made in generate().items()}
    dense = generator.generate_dense(*history.dense_window()).detach().requires_grad_()

    def score() -> None:
        losses = []
        tables = {name: made.unbind(0) for name, made in rows.items()}
        for i, batch in enumerate(batches):
            found = {name: Lookup(tables[name][i], touched[name][1][i]) for name in tables}
            logits = functional_call(recommender, history.split_dense(dense[i]), (batch, found))
            losses.append(cross_entropy(logits, batch.label, batch))
        (torch.stack(losses) @ updater.position_weights).backward()

    optimizers = {
        "generator": Adam(generator.parameters(), lr=1e-4),
        "base": Adam(recommender.parameters(), lr=1e-4),
    }
    updater.generator_loss(batches).backward()
    updater.cross_entropy(batches[0]).backward()
    calls: dict[str, Callable[[], object]] = {
        "mini-batches, k of them": lambda: list(MiniBatches(log, parts, given.history)),
        "ids that the base model asks for": lookups,
        "distinct rows": touch,
        "rows of tables, forward": generate,
        "rows of tables, forward and backward": lambda: _backward(generate()),
        "dense parameters, forward and backward": lambda: _dense(generator, *history.dense_window()),
        "base model on k mini-batches, forward and backward": score,
        "generator's Adam": optimizers["generator"].step,
        "a generator step": generator_step(workload.updater(), workload),
        "an incremental step": base_step(workload.updater(), workload, lazy=None if given.device == "cpu" else False),
        "of which base model's Adam": optimizers["base"].step,
        f"{NEAR} rows, forward and backward": lambda: _backward(_near(generator, history)),
    }
    taken = medians(calls, given.repeat, clock_of(given.device))
    # A row takes no step after the last snapshot whose mini-batch asks for it; cells take all steps up to there.
    taking = {name: each.flip(0).cummax(0).values if given.generator == "gru" else each for name, each in read.items()}
    widths = {name: rows[name].shape[2] for name in read}
    steps = sum(widths[name] * int(each.sum()) for name, each in taking.items())
    near = taken[f"{NEAR} rows, forward and backward"] / (NEAR * AGAIN * widths["item"] * given.window) * steps
    incremental = taken["an incremental step"]
    needed = near + taken["base model on k mini-batches, forward and backward"]
    return {f"{name}: ms": 1e3 * seconds for name, seconds in taken.items()} | {
        "steps of a coordinate of tables": steps,
        f"the same at the speed of {NEAR} rows: ms": 1e3 * near,
        "the same, divided by an incremental step": near / incremental,
        "the same with the base model, divided by an incremental step": needed / incremental,
        "a generator step, divided by an incremental step": taken["a generator step"] / incremental,
    }


def _near(generator: Generator, history: ParameterHistory) -> dict[str, Tensor]:
    known = history.tables.get_buffer("item").shape[1]
    rows = torch.arange(NEAR, device=history.order.device).remainder(known).repeat(AGAIN)
    return {"item": generator.generate_stored("item", history.stored("item", rows))}


def _backward(generated: dict[str, Tensor]) -> None:
    torch.autograd.backward([*generated.values()], [torch.ones_like(made) for made in generated.values()])


def _dense(generator: Generator, window: Tensor, hidden: Tensor) -> None:
    generator.generate_dense(window, hidden).sum().backward()
