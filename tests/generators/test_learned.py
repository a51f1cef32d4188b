"""What is noted of a generator: hand-made cases, and that noting it changes nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from asmg_pl.data.log import Sizes
from asmg_pl.generators import GRUCells, GRUGenerator, LinearGenerator, VanillaCells, learned
from asmg_pl.generators.learned import learned_quantities
from asmg_pl.updaters import ASMG, IncrementalUpdate

SIZES = Sizes(users=9, items=7, categories=3)


def pushed(**options: Any) -> ASMG:
    """ASMG after four pushes, trained before the last, with every number of the generator and of the states drawn."""
    torch.manual_seed(0)
    updater = ASMG(SIZES, **({"generator": GRUGenerator} | options))
    for parameter in updater.generator.parameters():
        nn.init.normal_(parameter)
    for tensor in (*updater.history.hidden.buffers(), updater.history.dense_hidden):
        tensor.uniform_(-1, 1)
    for pushes in range(4):
        for parameter in updater.recommender.parameters():
            nn.init.normal_(parameter)
        updater.trained.fill_(pushes == 3)
        updater.push()
    return updater


def test_moved_is_the_distance_from_the_base_model_in_units_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    updater = pushed()
    monkeypatch.setattr(learned, "CHUNK", 2)
    with torch.no_grad():
        updater.generated.table("item").copy_(updater.recommender.table("item"))
        updater.generated.table("item")[4] *= 3
    base = updater.recommender.table("item").detach()
    found = learned_quantities(updater.generator, updater.history, updater.recommender, updater.generated)
    assert found["item"]["moved"] == pytest.approx(float(2 * base[4].norm() / base.norm()))
    assert found.keys() == {"user", "item", "category", "dense"}


def test_moved_from_zero_is_not_defined() -> None:
    updater = pushed()
    nn.init.zeros_(updater.recommender.table("item"))
    found = learned_quantities(updater.generator, updater.history, updater.recommender, updater.generated)
    assert math.isnan(found["item"]["moved"])


def openness(updater: ASMG, name: str) -> float:
    """The mean update gate over all rows, columns, units and steps, one number at a time from the equations."""
    window, hidden = updater.history.rows(name, torch.arange(len(updater.recommender.table(name))))
    cells, size = updater.generator.get_submodule(f"cells.table_{name}"), updater.generator.hidden_size
    gates = []
    _, states = updater.generator.table(name, window, hidden)
    for step, values in enumerate(window):
        before = hidden if step == 0 else states[step - 1]
        for row in range(len(values)):
            for column in range(values.shape[1]):
                u = cells.get_parameter("input_weight")[column, 0, :size]
                w = cells.get_parameter("hidden_weight")[column, :, :size]
                gates.append(torch.sigmoid(u * values[row, column] + before[row, column] @ w))
    return torch.stack(gates).mean().item()


def test_openness_is_the_mean_update_gate_over_rows_columns_units_and_steps() -> None:
    updater = pushed(generator=lambda shapes: GRUGenerator(shapes, 2, GRUCells))
    for name in ("user", "category"):
        assert updater.learned[14][name]["openness"] == pytest.approx(openness(updater, name), rel=1e-5)


def test_closed_dense_gates_are_said_to_be_closed() -> None:
    updater = pushed()
    cells = updater.generator.get_submodule("cells.dense")
    nn.init.zeros_(cells.get_parameter("input_weight"))
    nn.init.zeros_(cells.get_parameter("hidden_weight"))
    found = learned_quantities(updater.generator, updater.history, updater.recommender, updater.generated)
    assert found["dense"]["openness"] == 0.5


def test_of_a_large_table_evenly_spaced_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    updater = pushed()
    whole = updater.learned[14]["user"]["openness"]
    monkeypatch.setattr(learned, "SAMPLE", 3)  # of 9 rows: 0, 3 and 6
    found = learned_quantities(updater.generator, updater.history, updater.recommender, updater.generated)
    window, hidden = updater.history.rows("user", torch.tensor([0, 3, 6]))
    assert found["user"]["openness"] == updater.generator.learned("user", window, hidden)["openness"] != whole
    assert found["user"]["moved"] == updater.learned[14]["user"]["moved"]


@pytest.mark.parametrize(
    ("generator", "quantities"),
    [
        (GRUGenerator, {"moved", "openness"}),
        (lambda shapes: GRUGenerator(shapes, cell=VanillaCells), {"moved"}),
        (LinearGenerator, {"moved", "share_1", "share_2", "share_3"}),
    ],
)
def test_each_generator_says_what_it_has(generator: Any, quantities: set[str]) -> None:
    updater = pushed(generator=generator)
    assert updater.learned.keys() == {14}  # ten periods pre-train, and three snapshots are the first window
    assert {frozenset(found) for found in updater.learned[14].values()} == {frozenset(quantities)}


def test_looking_draws_nothing_and_changes_nothing() -> None:
    updater = pushed()
    drawn = torch.get_rng_state()
    before = {name: value.clone() for name, value in updater.state_dict().items() if isinstance(value, torch.Tensor)}
    learned_quantities(updater.generator, updater.history, updater.recommender, updater.generated)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(updater.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_method_without_a_generator_learns_nothing_to_note(short_walk: Any) -> None:
    assert short_walk(IncrementalUpdate).learned == {}
