"""What Weights & Biases refuses or loses, without its client's service."""

from __future__ import annotations

import pytest

from asmg_pl.callbacks import WandbRun
from asmg_pl.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"project": "team/fresh"}, r"give --wandb\.entity team --wandb\.project fresh"),
        ({"project": "/fresh"}, r"wandb\.project must have 1 to 128 characters"),
        ({"project": " "}, r"wandb\.project must have 1 to 128 characters"),
        ({"project": "x" * 129}, r"wandb\.project must have 1 to 128 characters"),
        ({"project": "a\nb"}, r"wandb\.project must have 1 to 128 characters"),
        ({"project": "x", "entity": "a b/c"}, r"wandb\.entity must have 1 to 128 characters"),
        ({"project": "x", "tags": ["x" * 65]}, r"wandb\.tags must have 1 to 64 characters"),
        ({"project": "x", "tags": ["  "]}, r"wandb\.tags must have 1 to 64 characters"),
        ({"project": "x", "tags": ["a", "b", "a"]}, r"wandb\.tags has 'a' twice"),
    ],
)
def test_names_and_tags_that_would_be_refused_later_are_refused_at_once(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        WandbRun(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("project", ["fresh", "x" * 128, "caf\u00e9 \u2014 2024"])
def test_other_names_are_taken(project: str) -> None:
    assert WandbRun(project, tags=["x" * 64, "a b"]).project == project


class Client:
    """Stands in for a run whose service has gone."""

    def finish(self, exit_code: int) -> None:
        raise ConnectionResetError("the service has gone")


class Faulty:
    """Stands in for a fault of ours."""

    def finish(self, exit_code: int) -> None:
        raise KeyError("period")


def test_a_client_that_fails_does_not_end_the_walk(caplog: pytest.LogCaptureFixture) -> None:
    callback = WandbRun("fresh")
    callback._run = Client()
    callback.on_exception(None, None, KeyError())  # type: ignore[arg-type]
    assert "takes no more rows (ConnectionResetError: the service has gone). The walk goes on" in caplog.text
    assert callback._run is None


def test_a_fault_of_ours_is_not_taken_for_one_of_the_client() -> None:
    callback = WandbRun("fresh")
    callback._run = Faulty()
    with pytest.raises(KeyError):
        callback.on_exception(None, None, KeyError())  # type: ignore[arg-type]
