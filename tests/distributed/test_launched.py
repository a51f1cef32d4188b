"""Which walks wait for processes that a launcher starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lightning import Trainer

from asmg_pl.distributed.launched import check_launched, counts_of_torchrun
from asmg_pl.errors import ConfigError


@pytest.fixture(autouse=True)
def without_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No launcher has left anything in the environment."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)


def trainer(devices: int) -> Trainer:
    return Trainer(accelerator="cpu", devices=devices, logger=False, enable_checkpointing=False, barebones=True)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_rank_without_a_port_is_refused_and_the_message_names_it(rank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    with pytest.raises(ConfigError, match=rf"2 processes, and LOCAL_RANK={rank} .* unset LOCAL_RANK"):
        check_launched(trainer(2))


def test_processes_that_a_launcher_started_have_a_port_to_meet_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("MASTER_PORT", "29500")
    check_launched(trainer(2))


def test_a_single_process_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    check_launched(trainer(1))


def test_lightning_starts_the_processes_where_no_launcher_is_named() -> None:
    check_launched(trainer(2))


@pytest.fixture
def by_torchrun(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have torchrun start so many processes on this machine, of so many."""

    def start(here: int, of: int, **others: str) -> None:
        names = {"TORCHELASTIC_RUN_ID": "test", "LOCAL_WORLD_SIZE": str(here), "WORLD_SIZE": str(of), **others}
        for name, value in names.items():
            monkeypatch.setenv(name, value)

    return start


def test_without_torchrun_the_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert counts_of_torchrun(3, 2) == {}


@pytest.mark.parametrize(
    ("devices", "num_nodes", "counts"),
    [
        ("auto", 1, {"devices": 2, "num_nodes": 3}),
        (-1, 3, {"devices": 2, "num_nodes": 3}),
        (2, 1, {"num_nodes": 3}),
        ([4, 5], 1, {"num_nodes": 3}),
    ],
)
def test_the_walk_follows_torchrun(
    by_torchrun: Callable[..., None], devices: Any, num_nodes: int, counts: dict[str, int]
) -> None:
    by_torchrun(2, 6)
    assert counts_of_torchrun(devices, num_nodes) == counts


@pytest.mark.parametrize(
    ("here", "devices", "num_nodes", "message"),
    [
        (2, "auto", 2, "num_nodes is 2, and torchrun has started the walk on 3 machines: leave it out"),
        (2, "8", 1, "devices is 8, and torchrun has started 2 processes on each machine: leave it out"),
        (4, "auto", 1, "torchrun has started 4 of 6 processes on this machine, .* the same --nproc-per-node"),
    ],
)
def test_other_numbers_than_torchruns_are_refused(
    by_torchrun: Callable[..., None], here: int, devices: Any, num_nodes: int, message: str
) -> None:
    by_torchrun(here, 6)
    with pytest.raises(ConfigError, match=message):
        counts_of_torchrun(devices, num_nodes)


@pytest.mark.parametrize(("shared", "warned"), [("True", True), ("False", False)])
def test_a_store_of_all_starts_is_warned_of(
    by_torchrun: Callable[..., None], caplog: pytest.LogCaptureFixture, shared: str, warned: bool
) -> None:
    by_torchrun(1, 1, TORCHELASTIC_MAX_RESTARTS="3", GROUP_WORLD_SIZE="2", TORCHELASTIC_USE_AGENT_STORE=shared)
    check_launched(trainer(1))
    assert ("TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in caplog.text) is warned
