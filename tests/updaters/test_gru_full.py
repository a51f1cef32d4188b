"""GRUfull: a window that grows with the stream, from the first incremental period."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from updaters.test_asmg import BIG, parameters_of, random_batches, random_model

from asmg_pl.data.log import Sizes
from asmg_pl.errors import CheckpointError
from asmg_pl.generators import Cells, GRUCells, GRUGenerator, ResidualGRU, VanillaCells
from asmg_pl.generators.stored import StoredRows
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.updaters import ASMG, Updater
from asmg_pl.updaters.positions import PositionWeights, position_weights


def take_a_step(updater: ASMG, count: int) -> None:
    """One step of the generator on ``count`` mini-batches, with an optimiser of its own."""
    optimizer = updater.configure_optimizers()[1]

    def step_optimizer(which: int, loss: Tensor) -> None:
        assert which == 1
        loss.backward()
        optimizer.step()

    updater.step_optimizer = step_optimizer  # type: ignore[method-assign, assignment]
    updater.train_generator(random_batches(BIG)[-count:])


@pytest.mark.parametrize("weights", ["linear", "uniform", "exp", "last"])
@pytest.mark.parametrize("generator", [GRUGenerator, ResidualGRU])
def test_a_step_is_that_of_a_fixed_window_of_the_same_length_from_state_zero(
    generator: type[GRUGenerator], weights: PositionWeights
) -> None:
    # The fixed window has seen one push more, which has left it.
    fixed = random_model(BIG, pushes=4, generator=generator, window=3, zero_state=True, weights=weights)
    full = ASMG(BIG, generator=generator, window=None, weights=weights)
    full.generator.load_state_dict(fixed.generator.state_dict())
    for hidden in (*fixed.history.hidden.buffers(), fixed.history.dense_hidden):
        hidden.zero_()
    tables = full.recommender.table_parameters()
    rows = {name: fixed.history.rows(name, torch.arange(len(table)))[0] for name, table in tables.items()}
    for position, dense in enumerate(fixed.history.dense_window()[0]):
        for name, table in tables.items():
            table.data.copy_(rows[name][position])
        for name, values in fixed.history.split_dense(dense).items():
            full.recommender.dense_parameters()[name].data.copy_(values)
        full.history.push(full.recommender)
    before = [p.clone() for p in full.generator.parameters()]
    for updater in (fixed, full):
        take_a_step(updater, 1 if weights == "last" else 3)
        updater.make_generated()
    assert not any(torch.equal(a, b) for a, b in zip(before, full.generator.parameters(), strict=True))
    for a, b in zip(fixed.generator.parameters(), full.generator.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(fixed.generated.parameters(), full.generated.parameters(), strict=True):
        assert torch.equal(a, b)


class Spy(GRUGenerator):
    """Notes what it is shown: how many snapshots, and whether any number of the state differs from 0."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.seen: dict[tuple[str, int], set[tuple[int, bool]]] = {}
        self.phase: Callable[[], tuple[str, int]]

    def _note(self, window: Tensor, hidden: Tensor) -> None:
        self.seen.setdefault(self.phase(), set()).add((len(window), bool(hidden.any())))

    def generate_stored(self, name: str, rows: StoredRows) -> Tensor:
        self._note(*rows.copied())
        return super().generate_stored(name, rows)

    def write_newest(self, name: str, rows: StoredRows, to: Tensor, chunk_rows: int) -> None:
        if len(rows):
            self._note(*rows.copied())
        super().write_newest(name, rows, to, chunk_rows)

    def generate_stored_dense(self, stored: StoredRows) -> Tensor:
        self._note(*stored.copied())
        return super().generate_stored_dense(stored)


@pytest.mark.parametrize("cell", [GRUCells, VanillaCells])
@pytest.mark.parametrize("weights", ["linear", "last"])
def test_the_window_grows_by_one_each_period_and_starts_from_state_zero(
    short_walk: Callable[..., Updater], weights: PositionWeights, cell: type[Cells]
) -> None:
    def spied(sizes: Sizes, **options: Any) -> ASMG:
        updater = ASMG(sizes, partial(Spy, cell=cell), window=None, weights=weights, **options)
        assert isinstance(updater.generator, Spy)
        updater.generator.phase = lambda: (updater.phase.name, updater.phase.period) if updater.phase else ("", 0)
        return updater

    generator = short_walk(spied).get_submodule("generator")
    assert isinstance(generator, Spy)
    # Two of seven periods pre-train; the first snapshot is Θ_3, and Θ*_4 is the first that serves.
    trained = {("generate", period): {(period - 3, False)} for period in range(4, 8)}
    served = {("update", period): {(period - 2, False)} for period in range(4, 8)}
    # New users and items appear with these two periods: they are generated just before they are scored.
    welcomed = {("score", period): {(period - 3, False)} for period in (5, 6)}
    assert generator.seen == trained | served | welcomed


def test_all_periods_since_the_first_snapshot_are_read_side_by_side() -> None:
    updater = ASMG(BIG, window=None, pretrain_periods=5, test_from=10, stop_at_test=True)
    reads = {p: [f.reading.periods for f in updater.phases(p) if f.name == "generate"] for p in range(6, 11)}
    assert reads == {6: [], 7: [(7,)], 8: [(7, 8)], 9: [(7, 8, 9)], 10: []}
    phase = updater.phases(9)[1]
    assert phase.reading.side_by_side
    assert phase.end.__name__ == "nothing", "no state is carried"


def test_with_the_last_weight_only_the_newest_period_is_read() -> None:
    phases = ASMG(BIG, window=None, weights="last", pretrain_periods=2).phases(9)
    assert [(phase.name, phase.reading.periods) for phase in phases] == [
        ("score", (9,)),
        ("generate", (9,)),
        ("update", (9,)),
    ]


@pytest.mark.parametrize(("pushes", "trained"), [(1, False), (2, False), (2, True)])
def test_the_generated_model_serves_as_soon_as_the_generator_has_been_trained(pushes: int, trained: bool) -> None:
    updater = random_model(BIG, pushes, trained, window=None)
    updater.make_generated()
    for served, base in parameters_of(updater).values():
        assert torch.equal(served, base) is not trained


@pytest.mark.parametrize("kind", ["linear", "uniform", "exp", "last"])
def test_loss_weights_are_right_at_any_length(kind: PositionWeights) -> None:
    for window in (1, 21, 1000):
        position = torch.arange(1, window + 1, dtype=torch.float64)
        expected = {
            "linear": position / position.sum(),
            "uniform": torch.ones_like(position) / window,
            "exp": position.softmax(0),
            "last": (position == window).double(),
        }[kind]
        found = position_weights(kind, window)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, atol=1e-38, rtol=2e-6)


def grown_checkpoint(sizes: Sizes, pushes: int) -> tuple[ASMG, dict[str, Any]]:
    """An updater with ``pushes`` snapshots, and a checkpoint of it as the trainer makes one."""
    updater = random_model(sizes, pushes, window=None)
    optimizers = [optimizer.state_dict() for optimizer in updater.configure_optimizers()]
    checkpoint = {"state_dict": updater.state_dict(), "optimizer_states": optimizers}
    updater.on_save_checkpoint(checkpoint)
    return updater, checkpoint


@pytest.mark.parametrize("pushes", [0, 1, 4])
def test_a_checkpoint_with_any_number_of_snapshots_loads_into_grown_tables(pushes: int) -> None:
    saved, checkpoint = grown_checkpoint(BIG, pushes)
    sizes = Sizes(65, 81, 30)
    torch.manual_seed(7)
    fresh = ASMG(sizes, generator=GRUGenerator, window=None)
    there_from_the_start = EmbeddingMLP(sizes)
    saved.initial_draw.fill(there_from_the_start)
    initial = there_from_the_start.table_parameters()
    fresh.on_load_checkpoint(checkpoint)
    fresh.load_state_dict(checkpoint["state_dict"])
    assert fresh.history.pushes == pushes
    for name, rows in [("user", 60), ("item", 80), ("category", 30)]:
        found, expected = (h.tables.get_buffer(name) for h in (fresh.history, saved.history))
        assert torch.equal(found[:, :rows], expected)
        for snapshot in found:  # a row that was not there has its initial values throughout
            assert torch.equal(snapshot[rows:], initial[name][rows:])
    assert torch.equal(fresh.history.dense, saved.history.dense)
    fresh.push()
    assert fresh.history.window == pushes + 1


def test_a_fixed_window_refuses_a_checkpoint_with_more_snapshots() -> None:
    _, checkpoint = grown_checkpoint(BIG, 4)
    with pytest.raises(CheckpointError, match=r"the checkpoint's history\.\S+ has shape \[4, "):
        ASMG(BIG, generator=GRUGenerator, zero_state=True).on_load_checkpoint(checkpoint)


def test_a_checkpoint_of_an_updater_without_history_is_refused() -> None:
    _, checkpoint = grown_checkpoint(BIG, 1)
    base = {name: value for name, value in checkpoint["state_dict"].items() if name.startswith("recommender.")}
    with pytest.raises(CheckpointError, match="the checkpoint has no generat"):
        ASMG(BIG, generator=GRUGenerator, window=None).on_load_checkpoint(checkpoint | {"state_dict": base})
