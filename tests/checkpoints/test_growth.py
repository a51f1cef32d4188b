"""Loading a checkpoint into tables that have grown."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.checkpoints.growth import grow, grow_moments, grow_state, table_growth
from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.errors import CheckpointError
from asmg_pl.recommenders import EmbeddingMLP

SMALL, GROWN = Sizes(users=3, items=4, categories=2), Sizes(users=5, items=9, categories=2)


def model(sizes: Sizes, seed: int, **arguments: Any) -> EmbeddingMLP:
    torch.manual_seed(seed)
    return EmbeddingMLP(sizes, **arguments)


def loaded(saved: dict[str, Tensor], fresh: EmbeddingMLP) -> dict[str, Tensor]:
    """The saved weights after growth; neither argument is changed."""
    grown = dict(saved)
    grow_state(grown, fresh.state_dict(), table_growth(saved, fresh.state_dict()))
    return grown


def adam_after_steps(recommender: EmbeddingMLP, steps: int = 2) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(recommender.parameters(), lr=0.01)
    ids = torch.tensor([0, 1, 2])
    batch = Batch(ids, ids, ids[:, None], torch.ones(3, dtype=torch.int64), ids % 2.0, torch.tensor([[0], [1]] * 2))
    for _ in range(steps):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(recommender(batch), batch.label).backward()
        optimizer.step()
    return optimizer


def test_growth_is_read_from_the_tables_alone() -> None:
    saved, fresh = model(SMALL, 0).state_dict(), model(GROWN, 1).state_dict()
    assert table_growth(saved, fresh) == {"user": (3, 5), "item": (4, 9), "category": (2, 2)}


def test_a_table_that_the_checkpoint_lacks_does_not_count_as_grown() -> None:
    saved = model(Sizes(3, 4), 0).state_dict()
    assert table_growth(saved, model(SMALL, 1).state_dict()) == {"user": (3, 3), "item": (4, 4)}


def test_old_rows_are_kept_bit_by_bit_and_new_rows_start_as_in_a_fresh_model() -> None:
    saved, fresh = model(SMALL, 0).state_dict(), model(GROWN, 1)
    initial = copy.deepcopy(fresh.state_dict())
    grown = loaded(saved, fresh)
    for table in ("user", "item"):
        name = f"tables.{table}.weight"
        old = len(saved[name])
        assert grown[name].shape == initial[name].shape
        assert torch.equal(grown[name][:old], saved[name])
        assert torch.equal(grown[name][old:], initial[name][old:])
    for name in saved.keys() - {"tables.user.weight", "tables.item.weight"}:
        assert torch.equal(grown[name], saved[name])
    fresh.load_state_dict(grown)


def test_growing_writes_into_neither_the_saved_nor_the_fresh_tensor() -> None:
    saved, fresh = torch.ones(2, 3), torch.zeros(4, 3)
    grown = grow("x", saved, fresh, (2, 4))
    grown += 5
    assert torch.equal(saved, torch.ones(2, 3))
    assert torch.equal(fresh, torch.zeros(4, 3))


def test_a_table_grows_wherever_its_rows_stand() -> None:
    """The history keeps tables as [window, rows, width], and a state per coordinate as [rows, width, hidden]."""
    ring, hidden = torch.rand(2, 3, 8), torch.rand(3, 8, 4)
    growth = {"user": (3, 5)}
    saved: dict[str, Any] = {
        "history.tables.user": ring,
        "history.hidden.user": hidden,
        "history._extra_state": {"n": 1},
    }
    fresh = {"history.tables.user": torch.full((2, 5, 8), 7.0), "history.hidden.user": torch.zeros(5, 8, 4)}
    grow_state(saved, fresh | {"history._extra_state": {"n": 0}}, growth)
    assert torch.equal(saved["history.tables.user"][:, :3], ring)
    assert (saved["history.tables.user"][:, 3:] == 7.0).all()
    assert torch.equal(saved["history.hidden.user"][:3], hidden)
    assert (saved["history.hidden.user"][3:] == 0.0).all()
    assert saved["history._extra_state"] == {"n": 1}


def test_moments_grow_with_zeros_and_the_optimiser_goes_on() -> None:
    old, new = model(SMALL, 0), model(GROWN, 1)
    saved = adam_after_steps(old).state_dict()
    before = copy.deepcopy(saved)
    grow_moments(saved, new, table_growth(old.state_dict(), new.state_dict()))
    position = [name for name, _ in new.named_parameters()].index("tables.user.weight")
    for key in ("exp_avg", "exp_avg_sq"):
        grown, past = saved["state"][position][key], before["state"][position][key]
        assert past.abs().sum() > 0
        assert torch.equal(grown[:3], past)
        assert grown[3:].shape == (2, 8)
        assert (grown[3:] == 0).all()
        assert saved["state"][len(before["state"]) - 1][key].equal(before["state"][len(before["state"]) - 1][key])
    assert saved["state"][position]["step"] == 2
    optimizer = torch.optim.Adam(new.parameters(), lr=0.01)
    optimizer.load_state_dict(saved)
    torch.stack([p.sum() for p in new.parameters()]).sum().backward()
    optimizer.step()


def test_an_optimiser_that_has_not_stepped_yet_has_nothing_to_grow() -> None:
    state = torch.optim.Adam(model(SMALL, 0).parameters()).state_dict()
    grow_moments(state, model(GROWN, 1), {"user": (3, 5), "item": (4, 9)})
    assert state["state"] == {}


@pytest.mark.parametrize(
    ("sizes", "arguments", "entry"),
    [
        (SMALL, {"embedding_dim": 4}, "tables.user.weight"),
        (GROWN, {"embedding_dim": 4}, "tables.user.weight"),
        (SMALL, {"hidden": [21, 10]}, "mlp.0.weight"),
        (SMALL, {"hidden": [20, 11]}, "mlp.2.weight"),
        (Sizes(2, 4, 2), {}, "tables.user.weight"),
        (Sizes(3, 4, 1), {}, "tables.category.weight"),
    ],
)
def test_other_shapes_and_shrunk_tables_are_refused_by_name(
    sizes: Sizes, arguments: dict[str, Any], entry: str
) -> None:
    with pytest.raises(CheckpointError, match=rf"checkpoint's {entry} has shape \[.*\].*resume with the settings"):
        loaded(model(SMALL, 0).state_dict(), model(sizes, 1, **arguments))


def test_a_width_that_changes_together_with_the_rows_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"tables\.user\.weight"):
        loaded(model(Sizes(8, 4), 0).state_dict(), model(Sizes(16, 4), 1, embedding_dim=16))


def test_another_number_of_dimensions_is_refused() -> None:
    with pytest.raises(CheckpointError, match="odd"):
        grow("odd", torch.zeros(2, 3), torch.zeros(2, 3, 1), (2, 4))


def test_a_tensor_of_no_table_must_have_its_shape() -> None:
    with pytest.raises(CheckpointError, match=r"bias has shape \[2\], this configuration makes it \[4\]"):
        grow("bias", torch.zeros(2), torch.zeros(4), None)


def test_moments_of_another_shape_are_refused_by_name() -> None:
    saved = adam_after_steps(model(SMALL, 0)).state_dict()
    with pytest.raises(CheckpointError, match=r"optimiser state of mlp\.0\.weight"):
        grow_moments(saved, model(SMALL, 1, hidden=[21, 10]), {})


@pytest.mark.parametrize(
    ("saved", "fresh", "message"),
    [
        (SMALL, Sizes(3, 4), r"this configuration has no tables\.category\.weight"),
        (Sizes(3, 4), SMALL, r"the checkpoint has no tables\.category\.weight"),
    ],
)
def test_other_entries_are_refused_by_name(saved: Sizes, fresh: Sizes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        loaded(model(saved, 0).state_dict(), model(fresh, 1))
