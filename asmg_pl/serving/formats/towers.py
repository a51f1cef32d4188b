"""The two towers of a serving model: a vector for the user, one for the item, whose dot product ranks the items.

                            model 1          model 2          head
    user's vector       [ w₁ · vector₁ │ w₂ · vector₂ │ 1                    ]
    item's vector       [      vector₁ │      vector₂ │ what it adds for it  ]

A head is linear in the logits of its models and adds a number for the user and one for the item. So models with a head
have towers too. They leave out one thing: a head limits how far its models may differ, and how large a logit may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import DotProduct, Lookup, Recommender
from asmg_pl.serving.formats.plain import PlainRows
from asmg_pl.serving.head_features import LOGIT, WIDTH, describe
from asmg_pl.serving.headed import Headed
from asmg_pl.serving.sided import looked_up


class Towers(nn.Module):
    """What answers requests, as vectors: ``logit = user_vectors · item_vectors + offsets``.

    Attributes:
        exact: whether that holds for all rows; with a head, not where the head limits what it reads.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> model = MatrixFactorization(Sizes(users=9, items=9))
        >>> ids, none = torch.arange(5), torch.zeros(5, 0).long()
        >>> batch, towers = Batch(ids, ids, none, ids * 0, ids.float()), Towers(model)
        >>> logits = (towers.user_vectors(batch) * towers.item_vectors(batch)).sum(1) + towers.offsets(batch)
        >>> torch.allclose(logits, model(batch))
        True
    """

    def __init__(self, served: nn.Module) -> None:
        """Look at a model, which is not copied.

        Args:
            served: a recommender of dot products, another one around it, or such ones with a head.

        Raises:
            ConfigError: if there is no dot product in it.
        """
        super().__init__()
        self.head = served if isinstance(served, Headed) and len(served.get_buffer("coefficients")) else None
        models = [*served.models.children()] if isinstance(served, Headed) else [served]
        if self.head is None:
            del models[1:]  # the first model answers until a head has learned
        self.models = nn.ModuleList(models)
        self.exact = self.head is None
        for model in models:
            product_of(model)

    def user_vectors(self, batch: Batch) -> Tensor:
        """The users' vectors, float32 [B, D]; items make no difference."""
        pairs = zip(self._weights(), self._products(batch), strict=True)
        vectors = [weight * product.user_vectors(batch, lookups) for weight, (product, lookups) in pairs]
        if self.head is not None:
            vectors.append(torch.ones_like(vectors[0][:, :1]))
        return torch.cat(vectors, dim=1)

    def item_vectors(self, batch: Batch) -> Tensor:
        """The items' vectors, float32 [B, D]; users, histories, and features of users and rows make no difference."""
        vectors = [product.item_vectors(batch, lookups) for product, lookups in self._products(batch)]
        if self.head is not None:
            vectors.append(self._added("items", batch.item)[:, None])
        return torch.cat(vectors, dim=1)

    def offsets(self, batch: Batch) -> Tensor:
        """What is added to a user's dot products, float32 [B]."""
        pairs = zip(self._weights(), self._products(batch), strict=True)
        offsets = [weight * product.offsets(batch, lookups) for weight, (product, lookups) in pairs]
        if self.head is not None:
            offsets += [self._added("users", batch.user), self.head.get_buffer("coefficients")[0]]
        return torch.stack(torch.broadcast_tensors(*offsets)).sum(0)

    def _products(self, batch: Batch) -> Iterator[tuple[DotProduct, Mapping[str, Lookup]]]:
        """What multiplies vectors in each model, and the rows of its tables that a batch asks for."""
        for model in self.models:
            assert isinstance(model, Recommender)
            yield product_of(model), looked_up(model, batch)

    def _weights(self) -> list[Tensor | float]:
        """What a head counts each model's logit; it reads the first one, and how far the others are from it."""
        if self.head is None:
            return [1.0]
        first, *others = self.head.get_buffer("coefficients")[LOGIT : LOGIT + len(self.models)]
        return [first - sum(others), *others]

    def _added(self, kind: str, ids: Tensor) -> Tensor:
        """What a head adds for users or for items, float32 [B]."""
        assert self.head is not None
        widths = {"models": LOGIT + len(self.models), "users": WIDTH, "items": WIDTH}
        begin = dict(zip(widths, accumulate(widths.values(), initial=0), strict=False))[kind]
        columns = slice(begin, begin + WIDTH)
        numbers = (self.head.get_buffer(name) for name in (kind, "period", "share"))
        table, period, share = numbers
        features = describe(table, ids, period, share)
        low, high = self.head.get_buffer("bounds")[:, columns]
        return features.clamp(low, high) @ self.head.get_buffer("coefficients")[columns]


class PlainUser(nn.Module):
    """The user's tower as a module of plain tensors.

    Examples:
        >>> from asmg_pl.data import Sizes
        >>> from asmg_pl.recommenders import MatrixFactorization
        >>> rows = PlainRows(Sizes(users=3, items=3), history_size=2)
        >>> user = PlainUser(Towers(MatrixFactorization(Sizes(users=4, items=4), embedding_dim=8)), rows)
        >>> vector, offset = user(torch.zeros(5).long(), torch.zeros(5, 2).long(), torch.zeros(5).long())
        >>> vector.shape, offset.shape
        (torch.Size([5, 9]), torch.Size([5]))
    """

    def __init__(self, towers: Towers, rows: PlainRows) -> None:
        """Put the two together.

        Args:
            towers: of the serving model.
            rows: makes batches.
        """
        super().__init__()
        self.towers, self.rows = towers, rows

    def forward(
        self, user: Tensor, history: Tensor, history_length: Tensor, *features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Vectors [B, D] and offsets [B], float32, of rows; values of the items' features make no difference."""
        batch = self.rows(user, torch.zeros_like(user), history, history_length, *features)
        return self.towers.user_vectors(batch), self.towers.offsets(batch)


def product_of(model: nn.Module) -> DotProduct:
    """What multiplies vectors in a recommender: itself, or the one that it hashes ids for.

    Raises:
        ConfigError: if nothing does.
    """
    inner = model.sides() if isinstance(model, Recommender) else None
    if not isinstance(inner, DotProduct):
        raise ConfigError(
            f"{type(inner or model).__name__} does not score by a dot product of a user's and an item's vector, as "
            "TwoTower and MatrixFactorization do: leave out the format vectors"
        )
    return inner
