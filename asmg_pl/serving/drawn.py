"""Packages with drawn numbers and names, for examples, tests and measurements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from asmg_pl.data.sizes import Side, Sizes
from asmg_pl.recommenders import Recommender
from asmg_pl.recommenders.numbers import Numbers
from asmg_pl.serving.classes import described
from asmg_pl.serving.contents import Contents, Lists, kinds
from asmg_pl.serving.ids import Name


def drawn_contents(
    recommender: Callable[[Sizes], Recommender],
    sizes: Sizes = Sizes(users=5, items=9),  # noqa: B008 - never changes
    history_size: int = 3,
    strings: bool = True,
    seed: int = 0,
) -> Contents:
    """Contents of a package whose numbers are drawn: parameters, histories, categories, features and popularity.

    User 0 has no history. Context features without names are called ``context-0`` and so on.

    Args:
        recommender: the class of the model, called with the sizes.
        sizes: numbers of users, items, categories and values of context features.
        history_size: the longest history, T.
        strings: whether names are strings such as ``"item-3"``; otherwise they are integers.
        seed: of what is drawn.

    Examples:
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> contents = drawn_contents(MatrixFactorization)
        >>> contents.names["user"][:2], len(contents.history.of(0))
        (['user-0', 'user-1'], 0)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = recommender(sizes)
        for parameter in model.parameters():
            parameter.data.normal_(std=0.5)
        for scale in model.modules():
            if isinstance(scale, Numbers) and scale.features:
                scale.take(torch.randn(len(scale.features)), torch.rand(len(scale.features)) + 0.5)
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, history_size + 1, sizes.users)
    lengths[:1] = 0
    offsets = np.concatenate([[0], lengths.cumsum()])
    items = draw.integers(0, sizes.items, int(offsets[-1])).astype(np.int32)
    users = np.repeat(np.arange(sizes.users), lengths)
    pairs = np.unique(users * sizes.items + items)
    seen = np.concatenate([[0], np.bincount(pairs // sizes.items, minlength=sizes.users).cumsum()])
    return Contents(
        recommender=described(model),
        sizes=sizes,
        models={"serving": model.state_dict()},
        names={kind: _names(kind, count, strings) for kind, count in kinds(sizes).items()},
        history=Lists(items, offsets),
        seen=Lists((pairs % sizes.items).astype(np.int32), seen),
        popularity=draw.exponential(size=sizes.items).astype(np.float32),
        history_size=history_size,
        context=tuple(each.name for each in sizes.context_features)
        or tuple(f"context-{number}" for number in range(len(sizes.context))),
        features=_features(sizes, draw),
        catalogue=draw.integers(-1, sizes.categories, (sizes.items, 2), np.int32) if sizes.categories else None,
    )


def _features(sizes: Sizes, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """The latest values of the features of users and items, some of which are missing."""
    found: dict[str, np.ndarray] = {}
    sides: dict[Side, int] = {"user": sizes.users, "item": sizes.items}
    for side, count in sides.items():
        context, numbers, lists = (
            [feature for feature in features if feature.side == side]
            for features in (sizes.context_features, sizes.numbers, sizes.lists)
        )
        if context:
            columns = [draw.integers(-1, each.values, count, np.int32) for each in context]
            found[f"{side}/context"] = np.stack(columns, axis=1)
        if numbers:
            values = draw.normal(size=(count, len(numbers))).astype(np.float32)
            found[f"{side}/numbers"] = np.where(draw.random(values.shape) < 0.2, np.float32(np.nan), values)
        if lists:
            columns = [-np.sort(-draw.integers(-1, each.values, (count, 3), np.int32)) for each in lists]
            found[f"{side}/lists"] = np.stack(columns, axis=1)
    return found


def _names(kind: str, count: int, strings: bool) -> list[Name] | np.ndarray:
    """Names that differ from the ids: 1000 is that of id 0."""
    return [f"{kind}-{number}" for number in range(count)] if strings else np.arange(1000, 1000 + count)
