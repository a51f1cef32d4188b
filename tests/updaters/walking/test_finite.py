"""What is not finite is found at the end of a phase, with the mini-batch in which it began."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from asmg_pl.data.mini_batches.reading import Reading
from asmg_pl.errors import DivergedError
from asmg_pl.updaters.optim.adam import Adam
from asmg_pl.updaters.walking.finite import Watch, stop_if, trained, unsound
from asmg_pl.updaters.walking.phase import Phase

CPU = torch.device("cpu")


def phase(name: str = "update", period: int = 7, repeat: int = 0) -> Phase:
    return Phase(Reading(name, period, (period,), repeat), lambda batch: None)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("after", [0.1, math.nan, math.inf])
def test_the_first_mini_batch_whose_loss_is_not_finite_is_named(broken: float, after: float) -> None:
    watch = Watch()
    for place, loss in enumerate([0.7, 3e38, broken, after]):
        watch.see("loss", torch.tensor(loss), place)
    assert watch.take() == ["the loss of mini-batch 3"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_of_finite_numbers_nothing_is_said_and_each_phase_begins_anew(dtype: torch.dtype) -> None:
    watch = Watch()
    watch.see("loss", torch.tensor(math.nan, dtype=dtype), 0)
    assert watch.take()
    assert watch.take() == []
    watch.see("loss", torch.tensor(1.5, dtype=dtype), 0)
    assert watch.take() == []


def test_the_parts_of_a_mini_batch_are_one_mini_batch_and_kinds_are_kept_apart() -> None:
    watch = Watch()
    for place, loss in [(0, 1.0), (0, 1.0), (1, 1.0), (1, math.inf)]:
        watch.see("loss", torch.tensor(loss), place)
    watch.see("gradient", torch.tensor(1.0), 0)
    watch.see("gradient", torch.tensor(math.nan), 1)
    assert watch.take() == ["the loss of mini-batch 2", "the gradient of mini-batch 2"]


def test_only_tensors_that_are_not_finite_are_named_with_how_much_of_them() -> None:
    tensors = {
        "sound": torch.full((3, 2), 3e38),
        "none": torch.zeros(0, 4),
        "whole": torch.ones(2, dtype=torch.int64),
        "half": torch.tensor([1.0, math.nan, math.inf, 2.0]),
        "small": torch.tensor([-math.inf], dtype=torch.bfloat16),
    }
    assert unsound(tensors) == ["half (2 of 4 values)", "small (1 of 1 values)"]
    assert unsound({}) == []


def test_parameters_and_moments_have_the_names_of_the_module() -> None:
    module = nn.Linear(2, 1)
    optimizer = Adam(module.parameters(), lr=0.1)
    module(torch.full((1, 2), 1e25)).sum().backward()  # its square is beyond float32
    optimizer.step()
    parameters, moments = trained(module, [optimizer])
    assert parameters.keys() == {"weight", "bias"}
    assert {"exp_avg of weight", "exp_avg_sq of bias"} <= moments.keys()
    assert unsound(parameters) == []
    assert unsound(moments) == ["exp_avg_sq of weight (2 of 2 values)"]


def test_the_message_says_where_what_and_how_to_go_on() -> None:
    stop_if([], phase(), CPU)
    with pytest.raises(DivergedError) as stop:
        stop_if(["the loss of mini-batch 3", "weight (2 of 2 values)"], phase(repeat=1), CPU)
    message = str(stop.value)
    assert (
        "diverged in period 7 · update, pass 2: NaN or infinite are the loss of mini-batch 3; weight (2 of" in message
    )
    for word in ("go on serving", "lower learning rate", "gradient_clip", "--ckpt_path last"):
        assert word in message


@pytest.mark.parametrize("name", ["pretrain", "select"])
def test_of_pre_training_the_message_says_the_epoch(name: str) -> None:
    with pytest.raises(DivergedError, match=f"in epoch 3 of pre-training on periods 1 to 10 · {name}: "):
        stop_if(["x"], phase(name, 10, repeat=2), CPU)


def test_of_many_findings_the_first_are_shown_and_the_others_counted() -> None:
    with pytest.raises(DivergedError, match="a0; a1; a2; a3; a4; and 3 more"):
        stop_if([f"a{n}" for n in range(8)], phase(), CPU)
