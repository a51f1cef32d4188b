"""SML against the published code: scores, a base step through the transfer, a transfer step, and what it transfers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import SML

Layouts = dict[str, Callable[[Iterable[tuple[str, Tensor]]], dict[str, Tensor]]]
Below = Callable[[str], dict[str, Tensor]]


@pytest.fixture
def sml(base_model: Callable[[int], EmbeddingMLP], below: Below, as_published: Layouts) -> SML:
    """w is snapshot 0, ŵ snapshot 1, the transfer's weights are the published ones."""
    updater = SML(Sizes(13, 17, 5), learning_rate=1e-2, transfer_learning_rate=1e-3)
    updater.before.load_state_dict(base_model(0).state_dict())
    updater.recommender.load_state_dict(base_model(1).state_dict())
    nets = {f"tables.{name}.weight": net for name, net in updater.transfer.tables.items()}
    nets |= {name: updater.transfer.tensors[name.replace(".", "_")] for name in updater.recommender.dense_parameters()}
    parameters = dict(updater.recommender.named_parameters())
    for name, net in nets.items():
        ((published, value),) = as_published["base"]([(name, parameters[name])]).items()
        weights = below(f"sml/weights/{published}")
        # Theirs sees a row's numbers filter by filter, ours coordinate by coordinate.
        hidden = weights["hidden_kernel"].T.unflatten(1, (-1, value.shape[-1] if "emb" in published else value.numel()))
        hidden = hidden.transpose(1, 2)  # [hidden, D, n2]
        state = {
            "first.weight": weights["filters_1"].T,
            "second.weight": weights["filters_2"].T,
            "hidden.weight": hidden.flatten(1),
            "hidden.bias": weights["hidden_bias"],
            "output.weight": weights["output_kernel"].T,
            "output.bias": weights["output_bias"],
        }
        if "kernel" in published:  # ours is flattened as [out, in], theirs as [in, out]
            place = torch.arange(value.numel()).view(value.shape).T.flatten()
            state["hidden.weight"] = hidden[:, place].flatten(1)
            state["output.weight"], state["output.bias"] = (state[f"output.{n}"][place] for n in ("weight", "bias"))
        net.load_state_dict(state)
    return updater


@pytest.fixture
def steps(sml: SML) -> list[Tensor]:
    """The losses of the steps that the updater takes, with its own optimisers outside of a trainer."""
    losses: list[Tensor] = []
    optimizers = sml.configure_optimizers()

    def step_optimizer(which: int, loss: Tensor) -> None:
        losses.append(loss.detach())
        optimizers[which].zero_grad()
        loss.backward()
        optimizers[which].step()

    sml.step_optimizer = step_optimizer  # type: ignore[method-assign, assignment]
    return losses


def test_the_transferred_model_scores_as_published(
    sml: SML, batches: list[tuple[Batch, ...]], golden: dict[str, Tensor]
) -> None:
    torch.testing.assert_close(sml.loss(batches[0][0]).detach(), golden["sml/loss"], atol=1e-6, rtol=0)
    sml.make_serving()
    torch.testing.assert_close(sml.serving(batches[0][0]).sigmoid(), golden["sml/scores"], atol=1e-6, rtol=0)


def test_a_step_of_each_leads_to_the_published_parameters(
    sml: SML,
    steps: list[Tensor],
    batches: list[tuple[Batch, ...]],
    below: Below,
    as_published: Layouts,
    close: Callable[..., None],
) -> None:
    start = as_published["base"]([(name, p.clone()) for name, p in sml.recommender.state_dict().items()])
    sml.update(batches[0][0])
    found = as_published["base"](sml.recommender.state_dict().items())
    close(found, below("sml/after_1_base_step"), 1e-4)
    assert all((found[name] - start[name]).abs().max() > 5e-3 for name in found), "the step moved every parameter"
    sml.train_transfer(batches[1][1])
    sml.adopt()
    published = below("sml/transferred")
    for model in (sml.serving, sml.before, sml.recommender):
        close(as_published["base"](model.state_dict().items()), published, 1e-4)
    assert len(steps) == 2
