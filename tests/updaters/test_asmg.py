"""ASMG outside of a walk: what a step generates, what serves, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.generators import GRUGenerator, ResidualGRU
from asmg_pl.recommenders.touched import touched_rows
from asmg_pl.updaters import ASMG, Updater
from asmg_pl.updaters.positions import position_weights

BIG = Sizes(users=60, items=80, categories=30)
SMALL = Sizes(users=1, items=8, categories=4)


def random_model(sizes: Sizes, pushes: int = 3, trained: bool = True, **options: Any) -> ASMG:
    """ASMG whose every number is drawn: snapshots, states, and generator weights that start at zero too."""
    torch.manual_seed(0)
    updater = ASMG(sizes, **({"generator": GRUGenerator} | options))
    for _ in range(pushes):
        for parameter in updater.recommender.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        updater.history.push(updater.recommender)
    for tensor in updater.history.states():
        tensor.uniform_(-1, 1)
    for parameter in updater.generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    updater.trained.fill_(trained)
    return updater


def random_batches(sizes: Sizes, ids_below: int = 1_000_000, rows: int = 8) -> tuple[Batch, ...]:
    """One mini-batch for each of three positions; sizes of mini-batches may differ by one."""
    draw = torch.Generator().manual_seed(1)
    categories = torch.randint(-1, sizes.categories, (sizes.items, 3), generator=draw) if sizes.categories else None

    def batch(count: int) -> Batch:
        user = torch.randint(min(sizes.users, ids_below), (count,), generator=draw)
        items = torch.randint(min(sizes.items, ids_below), (count, 7), generator=draw)
        length = torch.randint(7, (count,), generator=draw)
        history = items[:, 1:].masked_fill(torch.arange(6) >= length[:, None], 0)
        return Batch(user, items[:, 0], history, length, torch.rand(count, generator=draw).round(), categories)

    return tuple(batch(rows - j % 2) for j in range(3))


def loss_and_gradients(updater: ASMG, batches: tuple[Batch, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    """What a training step of the generator would hand to its optimiser."""
    losses: list[Tensor] = []
    updater.step_optimizer = lambda which, loss: losses.append(loss)  # type: ignore[method-assign, assignment]
    updater.train_generator(batches)
    (loss,) = losses
    return loss, gradients(updater, loss)


def gradients(updater: ASMG, loss: Tensor) -> dict[str, Tensor]:
    parameters = {name: p for name, p in updater.generator.named_parameters() if p.numel()}
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def loss_from_whole_models(updater: ASMG, batches: tuple[Batch, ...]) -> Tensor:
    """The loss as the equations say it: every coordinate of k models is generated, and each scores its batch."""
    whole: dict[str, Tensor] = {}
    for name, table in updater.recommender.table_parameters().items():
        rows, _ = updater.generator.table(name, *updater.history.rows(name, torch.arange(len(table))))
        whole[f"tables.{name}.weight"] = rows
    dense, _ = updater.generator.dense(*updater.history.dense_window())
    total = torch.zeros(())
    for j, (batch, weight) in enumerate(zip(batches, [1 / 6, 2 / 6, 3 / 6], strict=True)):
        model = {name: rows[j] for name, rows in whole.items()} | updater.history.split_dense(dense[j])
        logits = functional_call(updater.recommender, model, (batch,))
        total = total + weight * F.binary_cross_entropy_with_logits(logits, batch.label)
    return total


@pytest.mark.parametrize("generator", [GRUGenerator, ResidualGRU])
@pytest.mark.parametrize("pushes", [3, 4, 5])
@pytest.mark.parametrize("sizes", [BIG, SMALL, Sizes(60, 80)], ids=["big", "small", "without categories"])
def test_generating_only_touched_rows_gives_the_loss_and_gradients_of_whole_models(
    generator: type[GRUGenerator], pushes: int, sizes: Sizes
) -> None:
    updater, batches = random_model(sizes, pushes, generator=generator), random_batches(sizes)
    loss, found = loss_and_gradients(updater, batches)
    expected = loss_from_whole_models(updater, batches)
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=0)
    for name, gradient in gradients(updater, expected).items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=0)


def test_the_two_cases_above_take_the_two_ways_to_touch_rows() -> None:
    for sizes, whole in [(BIG, False), (SMALL, True)]:
        updater = random_model(sizes)
        asked = [updater.recommender.lookups(batch)["item"] for batch in random_batches(sizes)]
        assert (touched_rows(asked, sizes.items)[1] is asked) is whole


def test_rows_that_no_batch_asks_for_change_neither_loss_nor_gradients() -> None:
    updater, batches = random_model(BIG), random_batches(BIG, ids_below=20)
    loss, found = loss_and_gradients(updater, batches)
    for name, first in [("user", 20), ("item", 20)]:
        updater.history.tables.get_buffer(name)[:, first:] = 1e6
        updater.history.hidden.get_buffer(name)[first:] = 1e6
    again, found_again = loss_and_gradients(updater, batches)
    assert torch.equal(loss, again)
    for name, gradient in found.items():
        assert torch.equal(gradient, found_again[name])


@pytest.mark.parametrize("table_rows", [1_000, 100_000])
def test_a_step_generates_as_many_rows_as_its_batches_have_distinct_ids(
    table_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Sizes(table_rows, table_rows, table_rows)
    updater, batches = random_model(sizes), random_batches(sizes, ids_below=1_000)
    generated: dict[str, int] = {}
    table = updater.generator.table

    def counting(name: str, window: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        assert window.shape[1] == hidden.shape[0]
        generated[name] = generated.get(name, 0) + window.shape[1]
        return table(name, window, hidden)

    monkeypatch.setattr(updater.generator, "table", counting)
    updater.generated_logits(batches)
    asked = [updater.recommender.lookups(batch) for batch in batches]
    distinct = {name: len({i for ids in asked for i in ids[name].flatten().tolist()}) for name in asked[0]}
    assert generated == distinct
    assert distinct["user"] <= 24
    assert distinct["item"] <= 24 * 7


def test_each_loss_weight_kind_sums_to_one_with_the_newest_position_last() -> None:
    third = torch.tensor(1 / 3).repeat(3)
    expected = {"linear": torch.tensor([1.0, 2.0, 3.0]) / 6, "uniform": third}
    expected["exp"] = torch.tensor([1.0, 2.0, 3.0]).softmax(0)
    for kind, weights in expected.items():
        torch.testing.assert_close(position_weights(kind, 3), weights)  # type: ignore[arg-type]
        assert position_weights(kind, 1).tolist() == [1.0]  # type: ignore[arg-type]


# ---- the serving model


def parameters_of(updater: ASMG) -> dict[str, list[Tensor]]:
    pairs = zip(updater.generated.named_parameters(), updater.recommender.parameters(), strict=True)
    return {name: [served.clone(), base.clone()] for (name, served), base in pairs}


def test_the_serving_model_is_the_newest_generated_one() -> None:
    updater = random_model(BIG, pushes=4)
    updater.make_generated()
    batch = random_batches(BIG)[2]
    batches = (batch, batch, batch)
    torch.testing.assert_close(updater.generated(batch), updater.generated_logits(batches)[-1], atol=1e-5, rtol=0)
    assert not torch.allclose(updater.generated(batch), updater.recommender(batch), atol=1e-2)


def test_chunks_change_neither_the_serving_model_nor_the_carried_state() -> None:
    found = []
    for chunk_rows in (65536, 7, 1):
        updater = random_model(BIG, pushes=4, chunk_rows=chunk_rows)
        updater.make_generated()
        updater.carry_state()
        found.append([*updater.generated.parameters(), *updater.history.hidden.buffers()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pushes", [0, 1, 2, 3, 5])
def test_the_base_model_serves_until_the_generator_has_been_trained(pushes: int) -> None:
    updater = random_model(BIG, pushes, trained=False)
    for parameter in updater.recommender.parameters():  # unlike any snapshot
        torch.nn.init.normal_(parameter)
    updater.make_generated()
    for served, base in parameters_of(updater).values():
        assert torch.equal(served, base)


def test_the_generated_model_serves_from_the_first_push_after_training() -> None:
    updater = random_model(BIG, pushes=3, trained=False)
    loss_and_gradients(updater, random_batches(BIG))
    updater.push()
    for served, base in parameters_of(updater).values():
        assert not torch.allclose(served, base, atol=1e-2)


@pytest.mark.parametrize("pushes", [4, 5, 6])
def test_an_untrained_residual_generator_serves_the_base_model_bit_for_bit(pushes: int) -> None:
    torch.manual_seed(0)
    updater = ASMG(BIG, generator=ResidualGRU)
    updater.trained.fill_(True)
    for _ in range(pushes):
        for parameter in updater.recommender.parameters():
            torch.nn.init.normal_(parameter)
        updater.push()
        updater.carry_state()
    for served, base in parameters_of(updater).values():
        assert torch.equal(served, base)


def test_making_the_serving_model_leaves_the_base_model_and_the_history_alone() -> None:
    updater = random_model(BIG, pushes=4)
    before = {k: v.clone() for k, v in updater.state_dict().items() if isinstance(v, Tensor)}
    updater.make_generated()
    after = updater.state_dict()
    assert {k for k in before if not torch.equal(before[k], after[k])} == {
        k for k in before if k.startswith("generated.")
    }


# ---- phases and settings


def test_the_generator_is_trained_before_the_base_model_as_soon_as_the_window_is_full() -> None:
    updater = ASMG(BIG, window=2, pretrain_periods=5, generator_passes=2)
    assert [p.name for p in updater.phases(7)] == ["score", "update"]
    phases = updater.phases(8)
    assert [(p.name, p.repeat) for p in phases] == [("score", 0), ("generate", 0), ("generate", 1), ("update", 0)]
    # Θ_6 is judged on D_7 and Θ_7 on D_8: the snapshots are those of the periods before.
    assert [p.reading.periods for p in phases] == [(8,), (7, 8), (7, 8), (8,)]
    assert [p.reading.side_by_side for p in phases] == [False, True, True, False]
    assert [p.trains for p in phases] == [False, True, True, True]


def test_the_state_is_carried_once_after_the_last_pass_and_the_push_follows_the_last_update() -> None:
    updater = ASMG(BIG, window=1, pretrain_periods=0, generator_passes=2, passes=2)
    ends: list[str] = []
    updater.carry_state = lambda: ends.append("carry")  # type: ignore[method-assign]
    updater.push = lambda: ends.append("push")  # type: ignore[method-assign]
    done = []
    for phase in updater.phases(2)[1:]:
        phase.end()
        done.append(list(ends))
    assert done == [[], ["carry"], ["carry"], ["carry", "push"]]


@pytest.mark.parametrize(
    "name", ["window", "generator_passes", "chunk_rows", "generator_learning_rate", "learning_rate"]
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_setting_that_cannot_work_is_refused_by_its_name(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{name} must be .*, got {value}"):
        ASMG(BIG, **{name: value})  # type: ignore[arg-type]


def test_with_the_last_weight_only_the_newest_period_is_read() -> None:
    phases = ASMG(BIG, weights="last", window=3, pretrain_periods=2).phases(9)
    assert [(phase.name, phase.reading.periods) for phase in phases] == [
        ("score", (9,)),
        ("generate", (9,)),
        ("update", (9,)),
    ]


def test_the_newest_position_alone_is_the_last_of_all_positions() -> None:
    batches = random_batches(BIG)
    many, single = random_model(BIG), random_model(BIG, weights="last")
    torch.testing.assert_close(single.generated_logits(batches[-1:])[0], many.generated_logits(batches)[-1])


def test_the_state_may_start_from_zero_in_every_window() -> None:
    ends = [
        next(phase.end for phase in updater.phases(9) if phase.name == "generate")
        for updater in (random_model(BIG, pretrain_periods=2), random_model(BIG, pretrain_periods=2, zero_state=True))
    ]
    assert ends[0].__name__ == "carry_state"
    assert ends[1].__name__ == "nothing"


def test_the_generator_may_stop_where_the_test_periods_begin() -> None:
    updater = ASMG(BIG, pretrain_periods=2, test_from=9, stop_at_test=True)
    names = [[phase.name for phase in updater.phases(period)] for period in (8, 9)]
    assert names == [["score", "generate", "update"], ["score", "update"]]


@pytest.mark.parametrize("zero_state", [False, True])
def test_a_generator_that_has_stopped_goes_on_generating_from_the_window_as_it_moves_on(
    short_walk: Callable[..., Updater], zero_state: bool
) -> None:
    options = {"window": 2, "zero_state": zero_state, "stop_at_test": True, "generator": GRUGenerator}
    before, after = (short_walk(ASMG, until=until, **options) for until in (5, 6))  # 6 is the first test
    assert isinstance(before, ASMG)
    assert isinstance(after, ASMG)
    for trained, stopped in zip(before.generator.parameters(), after.generator.parameters(), strict=True):
        assert torch.equal(trained, stopped)
    first, second = before.history.dense_window()[0], after.history.dense_window()[0]
    assert torch.equal(first[1], second[0]), "the window has moved on"
    _, states = before.generator.dense(*before.history.dense_window())
    expected = torch.zeros_like(states[0]) if zero_state else states[0]
    torch.testing.assert_close(after.history.dense_window()[1], expected)
    assert bool(after.history.states()) is not zero_state, "state 0 takes no memory"
    rows, hidden = before.history.rows("item", torch.arange(20))
    _, states = before.generator.table("item", rows, hidden)
    found = after.history.rows("item", torch.arange(20))[1]
    torch.testing.assert_close(found, 0 * states[0] if zero_state else states[0])
    assert any(
        not torch.equal(a, b) for a, b in zip(before.generated.parameters(), after.generated.parameters(), strict=True)
    )


@pytest.mark.parametrize(("window", "first"), [(3, 6), (1, 4), (None, 4)])
def test_a_generator_that_would_stop_before_it_begins_is_refused(window: int | None, first: int) -> None:
    ASMG(BIG, pretrain_periods=2, window=window, stop_at_test=True, test_from=first + 1)
    with pytest.raises(ConfigError, match=rf"model\.stop_at_test .* in period {first}: raise model\.test_from"):
        ASMG(BIG, pretrain_periods=2, window=window, stop_at_test=True, test_from=first)


def test_every_window_starts_from_the_carried_state_or_from_zero(short_walk: Callable[..., Updater]) -> None:
    def states(zero_state: bool) -> dict[tuple[str, int], bool]:
        """By phase, whether any state before the window differed from 0."""
        seen: dict[tuple[str, int], bool] = {}

        class Watched(ASMG):
            def train_generator(self, batches: tuple[Batch, ...]) -> None:
                self.note()
                super().train_generator(batches)

            def make_generated(self) -> None:
                self.note()
                super().make_generated()

            def note(self) -> None:
                assert self.phase is not None
                known = {name: torch.arange(self.recommender.rows_known(name)) for name in self.recommender.tables}
                rows = [self.history.rows(name, ids)[1] for name, ids in known.items()]
                hidden = [self.history.dense_window()[1], *rows]
                seen[self.phase.name, self.phase.period] = all(state.any() for state in hidden)

        short_walk(Watched, generator=GRUGenerator, window=2, zero_state=zero_state)
        return {key: state for key, state in seen.items() if key[1] >= 5}  # when the generator is first trained

    assert set(states(zero_state=True).values()) == {False}
    carried = states(zero_state=False)
    assert not carried.pop(("generate", 5)), "the first window starts from 0"
    assert set(carried.values()) == {True}
