"""Walks with sharded tables are those of a single process, on any number of ranks and across a change of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.distributed as dist
from distributed.ranks import asmg, on_ranks
from updaters.guarding.test_candidates import Turns

from asmg_pl.checkpoints.io import newest_first, read_checkpoint
from asmg_pl.data import Sizes
from asmg_pl.distributed.checkpoint import ShardedEntries, read
from asmg_pl.distributed.layout import Layout
from asmg_pl.distributed.reader import tensors_in
from asmg_pl.distributed.shard import shard
from asmg_pl.generators import RowGenerator
from asmg_pl.generators.table_entries import table_entries
from asmg_pl.randomness import outlines
from asmg_pl.updaters import ASMG, Guard
from asmg_pl.updaters.memory import peak_memory, size_of
from asmg_pl.updaters.rows import initial

STREAM = "--data.source=DriftingStream --data.source.rows=420 --data.source.categories=3"
CUT = "--data.source.users=31 --data.source.items=26"
CUT += " --data.periods=EqualCounts --data.periods.count=7 --data.batch_size=16 --data.history_size=5"
WALK = "--model.pretrain_periods=2 --model.pretrain_epochs=2 --model.test_from=6 --trainer.accelerator=cpu"
SHARDED = (
    "--trainer.strategy=asmg_pl.distributed.ShardedTables --trainer.strategy.shards=8 --trainer.strategy.min_rows=9"
)
METHODS = {
    "IncrementalUpdate": "",
    "ASMG": "--model.window=2 --model.generator=RowGenerator --model.generator_learning_rate=1e-3",
}
TABLES = {"user": 31, "item": 26}
LIFETIMES = "--data.lifetimes=Lifetimes", "--data.lifetimes.admit_after=2", "--data.lifetimes.expire_after=1"


def walk(
    folder: Path,
    ranks: int,
    method: str,
    *options: str,
    sharded: bool = True,
    stream: str = f"{STREAM} {CUT}",
    program: Callable[..., tuple[int, str]] = asmg,
) -> str:
    """Walk on so many ranks; what the first one wrote to stderr if the walk was refused."""
    given = f"fit --model={method} {stream} {WALK} {METHODS.get(method, '')}".split()
    strategy = f"{SHARDED} --trainer.devices={ranks}".split() if sharded else ["--trainer.devices=1"]
    results = on_ranks(ranks, program, *given, *strategy, f"--trainer.default_root_dir={folder}", *options)
    return "" if {code for code, _ in results} == {0} else str(results[0][1])


def owners_draw(*arguments: object) -> tuple[int, str]:
    """Call the program, in which even these tables are long enough for their owners to draw their rows alone."""
    outlines.LEAST = 25
    return asmg(*arguments)


def metrics(folder: Path) -> pl.DataFrame:
    """What has been scored."""
    return pl.read_csv(folder / "metrics.csv")


def compare_metrics(folder: Path, alone: Path) -> None:
    """All metrics are the same."""
    found, expected = metrics(folder), metrics(alone)
    assert found.columns == expected.columns
    for name in set(found.columns) - {"why"}:  # which has numbers in words
        assert found[name].to_list() == pytest.approx(expected[name].to_list(), abs=1e-5, nan_ok=True), name


def assert_same(folder: Path, alone: Path) -> None:
    """Compare all metrics and all parameters, moments, snapshots and states."""
    compare_metrics(folder, alone)
    checkpoints = [newest_first(each / "checkpoints")[0] for each in (folder, alone)]
    assert on_ranks(1, differing, *checkpoints) == [[]]


def differing(path: Path, alone: Path) -> list[str]:
    """Which tensors of a checkpoint with sharded tables differ from those with whole ones; on one rank, which has all.

    Compared are parameters, snapshots, states and moments.
    """
    assert path.is_dir()
    layouts = {name: Layout(rows, 8, dist.get_rank(), 1) for name, rows in TABLES.items()}
    names = ["tables.user.weight", "tables.item.weight", "tables.category.weight", *[""] * 6]
    entries = table_entries(ASMG(Sizes(31, 26, 3), window=2, generator=RowGenerator))
    found, expected = read(path, ShardedEntries(layouts, names, entries)), read_checkpoint(alone)
    pairs = [(name, found["state_dict"][name], value) for name, value in expected["state_dict"].items()]
    for state, wanted in zip(found["optimizer_states"], expected["optimizer_states"], strict=True):
        for number, moments in wanted["state"].items():
            pairs += [(f"{number}.{key}", state["state"][number][key], value) for key, value in moments.items()]
    tensors = [(name, ours, theirs) for name, ours, theirs in pairs if isinstance(theirs, torch.Tensor)]
    assert len(tensors) > 20
    return [name for name, ours, theirs in tensors if not torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run folder of each method's walk in a single process with whole tables."""
    folders = {method: tmp_path_factory.mktemp("alone") / method for method in METHODS}
    for method, folder in folders.items():
        assert walk(folder, 1, method, sharded=False) == ""
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_a_walk_is_that_of_a_single_process(tmp_path: Path, alone: dict[str, Path], method: str, ranks: int) -> None:
    assert walk(tmp_path / "walk", ranks, method, program=owners_draw if ranks == 2 else asmg) == ""
    assert_same(tmp_path / "walk", alone[method])


def test_an_owner_takes_the_memory_of_its_own_rows() -> None:
    [(grown, own)] = on_ranks(1, growth_of_an_owner)
    assert own > 50  # MiB; whole tables and what is made of them have four times as many
    assert grown < own + 60


def growth_of_an_owner() -> tuple[float, float]:
    """MiB by which a process's peak grows while one of four owners gets ready, and MiB that it then holds."""

    def ready(rows: int) -> ASMG:
        with initial.owners_draw():
            made = ASMG(Sizes(rows, rows), window=3, generator=RowGenerator, pretrain_periods=0)
        shard(made, {name: Layout(rows, 8, 0, 4) for name in ("user", "item")})
        made.redraw(made.initial_draw)
        return made

    ready(20_000)  # imports, and the memory that their first use takes, are not the tables'
    before = peak_memory(torch.device("cpu"))
    made = ready(500_000)
    return peak_memory(torch.device("cpu")) - before, size_of(made) / 2**20


@pytest.mark.slow
def test_rows_that_wait_at_their_owners_are_those_of_dense_steps(tmp_path: Path, alone: dict[str, Path]) -> None:
    waiting = "--model.lazy_tables=true"
    assert walk(tmp_path / "walk", 2, "IncrementalUpdate", waiting, "--loop.until=5") == ""
    assert walk(tmp_path / "walk", 1, "IncrementalUpdate", waiting, "--ckpt_path=last") == ""
    assert_same(tmp_path / "walk", alone["IncrementalUpdate"])


def in_turns(*arguments: object) -> tuple[int, str]:
    """The program with a guard that lets its candidates serve in turns."""
    Guard.choose = Turns.choose  # type: ignore[method-assign, assignment]
    return asmg(*arguments)


@pytest.mark.slow
def test_guard_and_head_choose_and_score_as_in_a_single_process(tmp_path: Path) -> None:
    head = "--model.head=PrequentialHead"
    assert walk(tmp_path / "alone", 1, "ASMG", head, sharded=False, program=in_turns) == ""
    assert walk(tmp_path / "shared", 2, "ASMG", head, "--loop.until=5", program=in_turns) == ""
    assert walk(tmp_path / "shared", 2, "ASMG", head, "--ckpt_path=last", program=in_turns) == ""
    compare_metrics(tmp_path / "shared", tmp_path / "alone")
    assert set(metrics(tmp_path / "alone")["served"]) == {"incremental", "generated", "blend_0.5", "headed"}
    copies = ["--trainer.strategy=ddp", "--trainer.devices=2"]
    assert walk(tmp_path / "copies", 2, "ASMG", head, *copies, sharded=False, program=in_turns) == ""
    compare_metrics(tmp_path / "copies", tmp_path / "alone")


@pytest.mark.slow
def test_a_walk_goes_on_with_other_numbers_of_ranks(tmp_path: Path, alone: dict[str, Path]) -> None:
    for ranks, options in [(1, ["--loop.until=4"]), (2, ["--ckpt_path=last", "--loop.until=6"])]:
        assert walk(tmp_path, ranks, "ASMG", *options) == ""
    assert walk(tmp_path, 4, "ASMG", "--ckpt_path=last") == ""
    assert_same(tmp_path, alone["ASMG"])


@pytest.mark.slow
def test_a_walk_with_whole_tables_goes_on_with_sharded_ones(tmp_path: Path, alone: dict[str, Path]) -> None:
    assert walk(tmp_path, 1, "ASMG", "--loop.until=5", sharded=False) == ""
    assert walk(tmp_path, 2, "ASMG", "--ckpt_path=last") == ""
    assert_same(tmp_path, alone["ASMG"])


def largest_message(*arguments: str) -> int:
    """The bytes of the largest tensor that this rank gives to a collective in a walk."""
    sizes: list[int] = []

    def noted(collective: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            sizes.extend(tensor.nbytes for tensor in given if isinstance(tensor, torch.Tensor))
            return collective(*given, **options)

        return call

    for name in ("all_reduce", "all_to_all_single", "all_gather", "all_gather_into_tensor", "broadcast"):
        setattr(dist, name, noted(getattr(dist, name)))
    assert asmg(*arguments)[0] == 0
    return max(sizes)


@pytest.mark.slow
def test_no_message_is_as_large_as_a_table(tmp_path: Path) -> None:
    stream = "--data.source=DriftingStream --data.source.rows=4800 --data.source.users=9999 --data.source.items=9999"
    cut = "--data.periods=EqualCounts --data.periods.count=40 --data.batch_size=16 --data.history_size=5 --loop.until=5"
    generator = "--model.window=1 --model.generator=ResidualGRU --model.generator.hidden_size=1"
    given = f"fit --model=ASMG {generator} {stream} {cut} {WALK} {SHARDED} --trainer.devices=2".split()
    messages = on_ranks(2, largest_message, *given, f"--trainer.default_root_dir={tmp_path}")
    saved = tensors_in(newest_first(tmp_path / "checkpoints")[0])
    for name in ("user", "item"):
        table = saved[f"full/state_dict/recommender.tables.{name}.weight"]
        assert 4 * table.size.numel() > 2 * max(messages)


def write_ratings(path: Path, rows: int) -> None:
    """Ratings in the order of time, whose users and items are those with a small number first."""
    number = np.arange(rows)
    user, item = number * 7919 % (8 + number // 12), number * 104_729 % (10 + number // 16)
    stars, times = np.where((user + item) % 3 == 0, 4.5, 2.0), 1_000_000_000 + 60 * number
    table = pl.DataFrame({"userId": user, "movieId": item, "rating": stars, "timestamp": times})
    path.mkdir(exist_ok=True)
    table.write_csv(path / "ratings.csv")
    item_numbers = np.unique(item)
    titles = {"movieId": item_numbers, "title": ["-"] * len(item_numbers), "genres": ["Drama"] * len(item_numbers)}
    pl.DataFrame(titles).write_csv(path / "movies.csv")


@pytest.mark.slow
@pytest.mark.parametrize(
    "lifetimes",
    [(), LIFETIMES, (*LIFETIMES, "--model.new_rows=MeanOfCategories")],
    ids=["rows for ever", "rows that come and go", "rows that come and go and start at a mean"],
)
def test_new_users_and_items_get_rows_at_their_owners(tmp_path: Path, lifetimes: tuple[str, ...]) -> None:
    stream = f"--data.source=MovieLens --data.root={tmp_path / 'data'} --data.batch_size=16 --data.history_size=5"
    stream += " --data.periods=EqualRows --data.periods.rows=60"
    for rows, options in [(240, []), (480, ["--ckpt_path=last"])]:
        write_ratings(tmp_path / "data", rows)
        for ranks, name in [(1, "alone"), (2, "sharded")]:
            sharded = name == "sharded"
            assert walk(tmp_path / name, ranks, "ASMG", *options, *lifetimes, sharded=sharded, stream=stream) == ""
    assert (metrics(tmp_path / "alone")["new_user_rows"] > 0).sum() > 4
    compare_metrics(tmp_path / "sharded", tmp_path / "alone")


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("EWC", [], "EWC does not work with sharded tables"),
        ("IncrementalUpdate", ["--trainer.strategy.shards=1"], "at least the number of ranks, 2, got 1"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(
    tmp_path: Path, method: str, options: list[str], message: str
) -> None:
    errors = walk(tmp_path, 2, method, *options)
    assert message in errors
    assert errors.count("asmg: ") == 1
    assert not (tmp_path / "metrics.csv").exists()


@pytest.mark.slow
def test_whole_tables_cannot_go_on_from_sharded_ones(tmp_path: Path) -> None:
    assert walk(tmp_path, 1, "IncrementalUpdate", "--loop.until=3") == ""
    errors = walk(tmp_path, 1, "IncrementalUpdate", "--ckpt_path=last", sharded=False)
    assert "is a folder, written with sharded tables" in errors
    errors = walk(tmp_path, 1, "IncrementalUpdate", "--ckpt_path=last", "--trainer.strategy.shards=4")
    assert "--trainer.strategy.shards 8" in errors


RACE = "--model.self_tuning=SelfTuning --model.self_tuning.learning_rates=[1e-3,3e-2]"
RACE += " --model.self_tuning.batch_sizes=[16,8] --model.self_tuning.race_periods=2 --model.self_tuning.budget=1"


def compare_races(folder: Path, alone: Path) -> None:
    """The same settings have had their turns, with the same scores."""
    found, expected = (pl.read_csv(each / "schedule.csv") for each in (folder, alone))
    exact = ["period", "turn", "learning_rate", "batch_size", "passes"]
    assert found.select(exact).rows() == expected.select(exact).rows()
    for name in ("logloss", "behind"):
        assert found[name].to_list() == pytest.approx(expected[name].to_list(), abs=1e-5)


@pytest.mark.slow
def test_settings_race_with_sharded_tables_and_on_copies_as_in_a_single_process(tmp_path: Path) -> None:
    options = RACE.split()
    assert walk(tmp_path / "alone", 1, "ASMG", *options, sharded=False) == ""
    assert walk(tmp_path / "sharded", 2, "ASMG", *options, "--loop.until=4") == ""  # within the race
    assert walk(tmp_path / "sharded", 1, "ASMG", *options, "--ckpt_path=last") == ""
    copies = ["--trainer.strategy=ddp", "--trainer.devices=2"]
    assert walk(tmp_path / "copies", 2, "ASMG", *options, *copies, sharded=False) == ""
    for folder in ("sharded", "copies"):
        compare_metrics(tmp_path / folder, tmp_path / "alone")
        compare_races(tmp_path / folder, tmp_path / "alone")
    assert_same(tmp_path / "sharded", tmp_path / "alone")
