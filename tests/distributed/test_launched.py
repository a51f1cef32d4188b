"""Which walks wait for processes that a launcher starts."""

from __future__ import annotations

import pytest
from lightning import Trainer

from asmg_pl.distributed.launched import check_launched
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
