"""The parameter history against a plain list of deep copies."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asmg_pl.data.log import Sizes
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.recommenders import EmbeddingMLP

SIZES = Sizes(users=6, items=5, categories=4)


def random_model() -> EmbeddingMLP:
    """A model whose parameters all differ from those of any other."""
    model = EmbeddingMLP(SIZES, embedding_dim=2, hidden=[3])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def pushed(window: int | None, pushes: int) -> tuple[ParameterHistory, list[EmbeddingMLP]]:
    models = [random_model() for _ in range(pushes)]
    history = ParameterHistory(random_model(), window, hidden_size=3)
    for model in models:
        history.push(model)
    return history, models


def flat(model: EmbeddingMLP) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.dense_parameters().values()])


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("extra", [0, 1, 2, 3, 5])
def test_the_last_snapshots_come_oldest_first(window: int, extra: int) -> None:
    history, models = pushed(window, window + extra)
    for name in models[0].tables:
        ids = torch.tensor([3, 0, 3])
        found, _ = history.rows(name, ids)
        assert torch.equal(found, torch.stack([model.table(name).detach()[ids] for model in models[-window:]]))
    found, _ = history.dense_window()
    assert torch.equal(found, torch.stack([flat(model) for model in models[-window:]]))


@pytest.mark.parametrize("pushes", [1, 2, 3, 5])
def test_without_a_window_all_snapshots_are_kept_oldest_first(pushes: int) -> None:
    history, models = pushed(None, pushes)
    assert history.window == pushes
    for name in models[0].tables:
        ids = torch.tensor([3, 0, 3])
        found, _ = history.rows(name, ids)
        assert torch.equal(found, torch.stack([model.table(name).detach()[ids] for model in models]))
    found, _ = history.dense_window()
    assert torch.equal(found, torch.stack([flat(model) for model in models]))


def test_a_fixed_window_is_written_in_place() -> None:
    history, _ = pushed(3, 4)
    before = [buffer.data_ptr() for buffer in history.buffers()]
    history.push(random_model())
    assert [buffer.data_ptr() for buffer in history.buffers()] == before


def test_a_window_that_is_not_full_ends_with_what_was_pushed() -> None:
    history, models = pushed(3, 2)
    found, _ = history.dense_window()
    assert torch.equal(found[1:], torch.stack([flat(model) for model in models]))


def test_rows_come_with_their_own_state() -> None:
    history, _ = pushed(2, 2)
    state = history.hidden.get_buffer("item")
    assert state.shape == (5, 2, 3)
    assert not state.any()
    state.copy_(torch.randn(state.shape))
    ids = torch.tensor([4, 1])
    assert torch.equal(history.rows("item", ids)[1], state[ids])
    assert not history.rows("user", ids)[1].any()


def test_dense_coordinates_split_back_into_the_parameters_they_came_from() -> None:
    history, models = pushed(2, 3)
    found = history.split_dense(history.dense_window()[0][-1])
    expected = models[-1].dense_parameters()
    assert found.keys() == expected.keys()
    for name, parameter in expected.items():
        assert torch.equal(found[name], parameter)


def test_the_shapes_for_the_generator_are_in_the_order_of_the_dense_window() -> None:
    history, models = pushed(1, 1)
    shapes = ParameterHistory.shapes_of(models[0], 3)
    assert dict(shapes.tables) == {"user": 2, "item": 2, "category": 2}
    parts = history.dense_window()[0][0].split(list(shapes.dense.values()))
    for (name, parameter), part in zip(models[0].dense_parameters().items(), parts, strict=True):
        assert shapes.dense[name] == parameter.numel()
        assert torch.equal(part, parameter.detach().flatten())


def test_a_snapshot_does_not_follow_the_model() -> None:
    history, models = pushed(2, 2)
    before = [history.rows("user", torch.arange(6))[0], history.dense_window()[0]]
    with torch.no_grad():
        for parameter in models[-1].parameters():
            parameter.add_(1)
    after = [history.rows("user", torch.arange(6))[0], history.dense_window()[0]]
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("window", [2, None])
def test_snapshots_are_constants_to_whoever_reads_them(window: int | None) -> None:
    history, _ = pushed(window, 3)
    for tensor in (*history.rows("user", torch.arange(6)), *history.dense_window()):
        assert not tensor.requires_grad
    assert not list(history.parameters())


@pytest.mark.parametrize(
    ("window", "pushes", "pushes_before"), [(3, 3, 0), (3, 4, 0), (3, 5, 1), (None, 4, 0), (None, 2, 5), (None, 0, 2)]
)
def test_a_saved_history_goes_on_where_it_was(window: int | None, pushes: int, pushes_before: int) -> None:
    history, _ = pushed(window, pushes)
    history.dense_hidden.normal_()
    history.hidden.get_buffer("user").normal_()
    other, _ = pushed(window, pushes_before)
    other.load_state_dict(history.state_dict())
    for again in (False, True):  # as saved, and after one more push
        for name in ("user", "item", "category"):
            for a, b in zip(history.rows(name, torch.arange(4)), other.rows(name, torch.arange(4)), strict=True):
                assert torch.equal(a, b)
        for a, b in zip(history.dense_window(), other.dense_window(), strict=True):
            assert torch.equal(a, b)
        if not again:
            newest = random_model()
            history.push(newest)
            other.push(newest)


@pytest.mark.parametrize(("window", "snapshots"), [(3, 3), (None, 7)])
def test_memory_is_snapshots_plus_state_times_the_model(window: int | None, snapshots: int) -> None:
    history, models = pushed(window, 7)
    model = sum(parameter.numel() for parameter in models[0].parameters())
    assert sum(buffer.numel() for buffer in history.buffers()) == (snapshots + 3) * model


def test_a_saved_window_of_another_length_is_refused_where_the_window_is_fixed() -> None:
    history, _ = pushed(2, 2)
    with pytest.raises(RuntimeError, match="size mismatch for dense"):
        ParameterHistory(random_model(), 3, hidden_size=3).load_state_dict(history.state_dict())


@pytest.mark.parametrize("hidden_size", [0, 3])
def test_no_row_may_be_asked_for(hidden_size: int) -> None:
    history = ParameterHistory(random_model(), 2, hidden_size)
    window, state = history.rows("user", torch.arange(0))
    assert window.shape == (2, 0, 2)
    assert state.shape == (0, 2, hidden_size)
    history.stored("user", torch.arange(0)).keep_state(state)


def test_without_a_state_to_keep_each_window_starts_from_zero_and_takes_no_memory() -> None:
    model = EmbeddingMLP(SIZES)
    kept, zero = (ParameterHistory(model, 3, hidden_size=2, keeps_state=keeps) for keeps in (True, False))
    assert not zero.states()
    assert not [name for name in zero.state_dict() if "hidden" in name]
    for found, expected in zip(
        zero.rows("item", torch.tensor([1, 0])), kept.rows("item", torch.tensor([1, 0])), strict=True
    ):
        assert torch.equal(found, expected)
    assert torch.equal(zero.dense_window()[1], kept.dense_window()[1])
    saved = {f"history.{name}": value for name, value in kept.state_dict().items()}
    zero.forget(saved, "history.")
    assert set(saved) == {f"history.{name}" for name in zero.state_dict()}, "earlier checkpoints have a state of zeros"
