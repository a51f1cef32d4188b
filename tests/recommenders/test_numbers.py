"""Scaling numbers with moments."""

from __future__ import annotations

import torch

from asmg_pl.data.sizes import Feature, Sizes
from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.recommenders.numbers import Numbers, NumberVectors
from asmg_pl.testing.samples import sample_batch

FEATURES = (Feature("age", "user"), Feature("price", "item"))


def test_numbers_are_scaled_and_missing_ones_are_told_apart() -> None:
    scale = Numbers(FEATURES)
    scale.take(torch.tensor([40.0, 10.0]), torch.tensor([10.0, 2.0]))
    found = scale.scaled(torch.tensor([[50.0, 4.0], [torch.nan, 10.0]]))
    torch.testing.assert_close(found, torch.tensor([[[1.0, 0.0], [-3.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]))


def test_the_logarithm_keeps_sign_and_order() -> None:
    scale, values = Numbers(FEATURES[:1], log=True), torch.tensor([[-1e6], [-1.0], [0.0], [1.0], [1e6]])
    found = scale.scaled(values)[:, 0, 0]
    assert (found.diff() > 0).all()
    torch.testing.assert_close(found, -found.flip(0))
    torch.testing.assert_close(found[-1], torch.tensor(1e6).log1p())


def test_a_number_without_spread_or_value_stays_finite() -> None:
    scale = Numbers(FEATURES)
    scale.take(torch.tensor([5.0, torch.nan]), torch.tensor([0.0, torch.nan]))
    assert scale.scaled(torch.tensor([[7.0, 3.0]]))[..., 0].tolist() == [[2.0, 3.0]]


def test_moments_are_saved_with_the_model_and_are_no_parameters() -> None:
    sizes = Sizes(9, 9, numbers=FEATURES)
    model, other = EmbeddingMLP(sizes), EmbeddingMLP(sizes)
    model.numbers.take(torch.tensor([4.0, 5.0]), torch.tensor([2.0, 3.0]))
    assert not any("mean" in name or "std" in name for name in model.dense_parameters())
    other.load_state_dict(model.state_dict())
    batch = sample_batch(sizes)
    assert torch.equal(other(batch), model(batch))


def test_a_model_without_numbers_has_no_moments() -> None:
    assert not [name for name in EmbeddingMLP(Sizes(9, 9)).state_dict() if name.startswith("numbers")]


def test_a_number_s_field_is_its_value_times_a_vector() -> None:
    fields = NumberVectors(FEATURES, width=3)
    assert fields.vectors is not None
    torch.nn.init.normal_(fields.vectors)
    batch = sample_batch(Sizes(9, 9, numbers=FEATURES))
    assert batch.numbers is not None
    age, price = fields.fields(batch)
    torch.testing.assert_close(age[0], batch.numbers[0, 0] * fields.vectors[0])
    torch.testing.assert_close(price[2], fields.vectors[3])  # where it is missing
