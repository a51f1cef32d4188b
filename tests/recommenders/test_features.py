"""Categories, lists and numbers, with sides, in the recommenders that use them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Feature, Sizes
from asmg_pl.recommenders import DIN, DLRM, DCNv2, DeepFM, EmbeddingMLP, Hashed, Lookup, Recommender, TwoTower
from asmg_pl.recommenders.features import FeatureTables, Part, mean_share, rows_of_user, table_of
from asmg_pl.recommenders.numbers import Numbers
from asmg_pl.testing.samples import of_side, rows_of, sample_batch

Build = Callable[[Sizes], Recommender]

SIZES = Sizes(
    users=11,
    items=13,
    categories=4,
    context=(3, 5),
    context_features=(Feature("device", "row", 3), Feature("brand", "item", 5)),
    numbers=(Feature("age", "user"), Feature("price", "item"), Feature("hour", "row")),
    lists=(Feature("page.tags", "item", 6), Feature("interests", "user", 4)),
)
SIDED = [EmbeddingMLP, DeepFM, DIN, TwoTower, partial(DeepFM, log_numbers=True), partial(Hashed, items=5)]
every_user_of_features = pytest.mark.parametrize("build", [*SIDED, DCNv2, partial(DCNv2, rank=3), DLRM])


def made(build: Build, sizes: Sizes = SIZES) -> Recommender:
    torch.manual_seed(5)
    model = build(sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


def looked_up(model: Recommender, batch: Batch) -> dict[str, Lookup]:
    return {name: Lookup(model.table(name), ids) for name, ids in model.lookups(batch).items()}


def changed(batch: Batch, name: str, row: int, feature: int) -> Batch:
    """The mini-batch with another value of one feature in one row."""
    column: Tensor = getattr(batch, name).clone()
    if name == "numbers":
        column[row, feature] = column[row, feature].nan_to_num(3.0) + 1
    else:
        values = SIZES.context[feature] if name == "context" else SIZES.lists[feature].values
        column[row, feature] = (column[row, feature] + 1).clamp(min=0) % values
    return Batch(**(batch._asdict() | {name: column}))


@every_user_of_features
def test_tables_have_the_names_of_their_features(build: Build) -> None:
    model = made(build)
    for name, rows in {"context[device]": 3, "context[brand]": 5, "list[page%2Etags]": 6, "list[interests]": 4}.items():
        assert len(model.table(name)) == rows


def test_a_feature_without_a_name_has_a_number_and_names_cannot_collide() -> None:
    assert list(FeatureTables(Sizes(9, 9, context=(2, 3))).tables) == ["context_0", "context_1"]
    odd = tuple(Feature(name, "row", 2) for name in ("user", "items", "age", "age_weight", "a/b", "a.b", "a\\b"))
    sizes = Sizes(9, 9, context=(2,) * len(odd), context_features=odd)
    model = DeepFM(sizes)
    assert len(model.tables) == 2 * (2 + len(odd))
    assert not any(character in name for name in model.tables for character in "./\\:")
    assert torch.isfinite(model(sample_batch(sizes))).all()


def test_names_of_tables_are_distinct_for_distinct_names() -> None:
    names = ["a.b", "a%2Eb", "a/b", "a[b]", "ab", "é"]
    assert len({table_of("list", name) for name in names}) == len(names)


@every_user_of_features
@pytest.mark.parametrize(("name", "count"), [("context", 2), ("numbers", 3), ("lists", 2)])
def test_each_feature_changes_the_score_of_its_own_row(build: Build, name: str, count: int) -> None:
    model, batch = made(build), sample_batch(SIZES)
    for feature in range(count):
        other = model(changed(batch, name, 4, feature)) != model(batch)
        assert other.nonzero().flatten().tolist() == [4]


@every_user_of_features
def test_a_missing_number_is_scored_otherwise_than_one_that_is_average(build: Build) -> None:
    model, batch = made(build), sample_batch(SIZES)
    assert batch.numbers is not None
    missing = model(batch._replace(numbers=batch.numbers * torch.nan))
    average = model(batch._replace(numbers=torch.zeros_like(batch.numbers)))
    assert missing.isfinite().all()
    assert (missing != average).all()


@every_user_of_features
def test_neither_the_order_nor_the_padding_of_a_list_makes_a_difference(build: Build) -> None:
    model, batch = made(build), sample_batch(SIZES)
    assert batch.lists is not None
    wider = F.pad(batch.lists.flip(-1), (2, 1), value=-1)
    torch.testing.assert_close(model(batch._replace(lists=wider)), model(batch))
    empty = model(batch._replace(lists=torch.full_like(batch.lists, -1)))
    torch.testing.assert_close(model(batch._replace(lists=batch.lists[..., :0])), empty)


@pytest.mark.parametrize("build", SIDED)
@torch.no_grad()
def test_many_items_of_one_user_score_as_their_rows_do(build: Build) -> None:
    model, user = made(build), rows_of(sample_batch(SIZES), slice(1))
    draw, count = torch.Generator().manual_seed(1), 500
    none = torch.zeros(count, dtype=torch.int64)
    items = Batch(
        user=none,
        history=none[:, None],
        history_length=none,
        label=none.float(),
        item=torch.randint(SIZES.items, (count,), generator=draw),
        categories=user.categories,
        context=torch.randint(3, (count, 2), generator=draw),
        numbers=torch.randn(count, 3, generator=draw),
        lists=torch.randint(-1, 4, (count, 2, 4), generator=draw),
    )
    user = user._replace(lists=F.pad(user.lists, (0, 1), value=-1))  # type: ignore[arg-type]
    rows = rows_of_user(user, items, SIZES)
    sides = model.sides()
    assert sides is not None
    ours, theirs = of_side(user, SIZES, Part.USER), of_side(items, SIZES, Part.ITEM)
    logits = sides.join(
        sides.user_side(ours, looked_up(model, ours)), sides.item_side(theirs, looked_up(model, theirs))
    )
    torch.testing.assert_close(logits, model(rows), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [EmbeddingMLP, DeepFM, TwoTower, DCNv2, DLRM])
def test_what_depends_on_a_number_alone_is_learned(kind: Build) -> None:
    model, batch = kind(SIZES), sample_batch(SIZES)
    assert batch.numbers is not None
    numbers = batch.numbers.nan_to_num(5.0)
    numbers[:, 0] = torch.tensor([1.0, 9, 2, 8, 7, 0])
    for part in model.modules():
        if isinstance(part, Numbers):
            part.take(numbers.mean(0), numbers.std(0))
    batch = batch._replace(numbers=numbers, label=(numbers[:, 0] > 5).float())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimizer.step()
    assert torch.equal(model(batch) > 0, batch.label > 0)


def test_the_share_of_a_list_is_a_mean_of_what_is_there() -> None:
    share = mean_share(torch.tensor([[0, 2, -1, 5], [-1, -1, -1, -1]]))
    torch.testing.assert_close(share, torch.tensor([[1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 0, 0]]))
