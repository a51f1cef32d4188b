"""What a walk says of its memory, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from updaters.remembering import Remembering

from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.updaters import ASMG, EWC, IncrementalUpdate
from asmg_pl.updaters.memory import bytes_by_component, check_gpu, described, memory_of, peak_memory, require, size_of


def test_what_fits_is_let_pass_and_what_does_not_is_refused_with_the_figures() -> None:
    there = memory_of(torch.device("cpu"))
    require({"recommender": there - 1, "moments": 1})
    with pytest.raises(ConfigError, match=r"recommender .* \+ moments 1 B = "):
        require({"recommender": there, "moments": 1})


def test_sizes_are_readable() -> None:
    assert described({"a": 512, "b": 3 * 1024**2, "c": 5 * 1024**4}) == "a 512 B + b 3 MiB + c 5 TiB = 5 TiB"


def test_the_peak_grows_with_what_is_taken_and_is_kept_when_it_is_given_back() -> None:
    before = peak_memory(torch.device("cpu"))
    large = torch.ones(round(before) + 100, 2**18)  # a MiB a row
    del large
    assert peak_memory(torch.device("cpu")) >= before + 100


def test_impossible_tables_are_refused_before_they_are_made() -> None:
    with pytest.raises(ConfigError, match=r"recommender 2[0-9.]* TiB \+ moments"):
        IncrementalUpdate(Sizes(users=10**12 // 20, items=10**12 // 50))


def test_an_impossible_history_is_refused() -> None:
    with pytest.raises(ConfigError, match="history"):
        ASMG(Sizes(users=1000, items=1000), window=10**9)


class Gpu:
    """Stands for a trainer on a GPU that has so many bytes free."""

    training = True

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        monkeypatch.setattr("asmg_pl.updaters.memory.free_memory_of", lambda device: free)
        self.strategy = SimpleNamespace(root_device=torch.device("cuda", 0))


@pytest.mark.parametrize("half", [False, True])
def test_a_walk_is_refused_before_it_takes_more_of_a_gpu_than_is_free(
    half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    updater = ASMG(Sizes(users=5000, items=7000), window=3, bfloat16_state=half)  # a state of 4 numbers
    tables = sum(table.nbytes for table in updater.recommender.table_parameters().values())
    step = updater.bytes_of_step(rows=100)
    # The base model, its moments and gradient; the generated model; three snapshots and the state of each number.
    models = 1 + 3 + 1 + 3 + (2 if half else 4)
    weights = sum(p.nbytes for p in updater.generator.parameters()) + size_of(updater.history) - (models - 5) * tables
    dense = sum(p.nbytes for p in updater.recommender.dense_parameters().values())
    updater.trainer = Gpu(monkeypatch, models * tables + 8 * weights + 8 * dense + step)  # type: ignore[assignment]
    check_gpu(updater, step)
    updater.trainer = Gpu(monkeypatch, models * tables - 1)  # type: ignore[assignment]
    with pytest.raises(
        ConfigError, match=r"memory of cuda:0, of which .* is free: .*Lower embedding_dim .*model.window"
    ):
        check_gpu(updater, step)


def test_a_cpu_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    updater = ASMG(Sizes(users=5, items=7))
    updater.trainer = Gpu(monkeypatch, 0)  # type: ignore[assignment]
    updater.trainer.strategy.root_device = torch.device("cpu")  # type: ignore[misc]
    check_gpu(updater, 0)


def test_looking_at_sizes_draws_nothing() -> None:
    torch.manual_seed(0)
    first = IncrementalUpdate(Sizes(users=5, items=5)).recommender.table("user")
    torch.manual_seed(0)
    assert torch.equal(IncrementalUpdate(Sizes(users=5, items=5)).recommender.table("user"), first)


@pytest.mark.parametrize("half", [False, True])
def test_the_bytes_by_component_a_walk_are_what_it_holds(short_walk: Any, half: bool) -> None:
    updater = short_walk(ASMG, bfloat16_state=half)
    parts = bytes_by_component(updater)
    model, coordinates = size_of(updater.recommender), sum(p.numel() for p in updater.recommender.parameters())
    dense = sum(p.numel() for p in updater.recommender.dense_parameters().values())
    assert parts["recommender"] == parts["generated"] == model == 4 * coordinates
    assert parts["history"] == 3 * model
    assert parts["hidden state"] == 4 * 4 * dense + 4 * (2 if half else 4) * (coordinates - dense)
    assert parts["moments"] == 2 * (model + size_of(updater.generator))


def test_a_history_by_another_name_is_named_by_it(short_walk: Any) -> None:
    parts = bytes_by_component(short_walk(Remembering))
    assert {"recommender", "snapshots", "all_so_far", "hidden state", "moments"} == set(parts)
    assert parts["snapshots"] == 3 * parts["recommender"]


def test_other_parts_are_named_too(short_walk: Any) -> None:
    assert {"recommender", "anchor", "importance", "moments"} == set(bytes_by_component(short_walk(EWC)))
