"""DIN: the history is summed with weights that depend on the item that is scored.

latest items ──▶ [item embedding, mean of categories] ─┬──────────────────────▶ weighted sum ─┐
                                                       └▶ activation unit ─ weights ─▲        │
item ──────────▶ [item embedding, mean of categories] ─┴──────────────────────────────────────┼─▶ MLP ─▶ logit
user ──────────▶ embedding ───────────────────────────────────────────────────────────────────┤
features ──────▶ an embedding each; numbers scaled ───────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.recommenders.base import glorot_uniform_
from asmg_pl.recommenders.features import Part
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.recommenders.of_fields import OfFields
from asmg_pl.recommenders.pooling import (
    field_shares,
    field_sides,
    item_fields,
    real_entries,
)
from asmg_pl.recommenders.sides import Side, TwoSided


class DIN(TwoSided, OfFields):
    """Embedding&MLP whose history is summed with attention to the item.

    The activation unit gives each entry h of the history a weight, from [h, i, h - i, h * i] with the item i. Both are
    an item's embedding beside the mean of its categories. The weights are not normalised, so that their sum tells how
    much of the history bears upon the item. Padding weighs 0. Everything starts Glorot uniform, tables and biases
    included.

    Source: Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018. Hidden units are ReLU
    here. The paper's Dice reads the mean of a mini-batch, on which no row's score may depend.

    Examples:
        >>> from torch import nn
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = DIN(log.sizes, embedding_dim=8)
        >>> model(log.batch(torch.arange(5), history_size=3)).shape  # a logit for each of five rows
        torch.Size([5])
        >>> [layer.out_features for layer in model.activation if isinstance(layer, nn.Linear)]
        [36, 1]
    """

    def __init__(
        self,
        sizes: Sizes,
        embedding_dim: int = 8,
        hidden: list[int] | None = None,
        activation_hidden: list[int] | None = None,
        log_numbers: bool = False,
    ) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category table), and the features.
            embedding_dim: width of each embedding.
            hidden: widths of the hidden layers; by default a half and a quarter of the input's width, which is
                20 and 10 with categories, 12 and 6 without, and without features.
            activation_hidden: widths of the activation unit's hidden layers; by default one of 36.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.
        """
        super().__init__(sizes, embedding_dim, log_numbers)
        width = embedding_dim * len(field_sides(sizes)) + 2 * len(sizes.numbers)
        of_item = embedding_dim * (2 if sizes.categories else 1)
        self.activation = ReluMLP([4 * of_item, *([36] if activation_hidden is None else activation_hidden), 1])
        self.mlp = ReluMLP([width, *([width // 2, width // 4] if hidden is None else hidden), 1])
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        return self.join(self.user_side(batch, lookups), self.item_side(batch, lookups))

    def user_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The history's vectors [B, T, W], which of them are real [B, T], the user [B, D], and features [B, …] each."""
        history = [lookups["item"].columns(slice(1, None)).vectors()]
        _, shares = field_shares(batch)
        if shares is not None:
            history.append(means(lookups["category"].columns(slice(1, None)), shares[:, 1:]))
        real = real_entries(batch).to(history[0].dtype)
        return torch.cat(history, dim=-1), real, lookups["user"].vectors(), *self.further(batch, lookups, Part.USER)

    def item_side(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Side:
        """The item's embedding beside the mean of its categories, float [B, W], and its features, [B, …] each."""
        target = torch.cat(item_fields(lookups, field_shares(batch)[1]), dim=-1)
        return target, *self.further(batch, lookups, Part.ITEM)

    def join(self, user: Side, item: Side) -> Tensor:
        """Logits [B]."""
        history, real, *others = user
        target, *theirs = item
        beside = torch.broadcast_tensors(history, target[:, None])  # [B, T, W] both
        pairs = torch.cat([*beside, beside[0] - beside[1], beside[0] * beside[1]], dim=-1)
        weights = self.activation(pairs).squeeze(-1) * real
        interest = (weights[:, None] @ history).squeeze(1)
        who, *ours = (field.expand(len(target), -1) for field in others)
        logits: Tensor = self.mlp(torch.cat([who, interest, target, *ours, *theirs], dim=-1))
        return logits.squeeze(-1)


def means(lookup: Lookup, shares: Tensor) -> Tensor:
    """A mean for each entry of histories.

    Args:
        lookup: of ids [B, T, C].
        shares: what each id weighs, float [B, T, C].

    Returns:
        float [B, T, D].
    """
    rows, places, _ = shares.shape
    each = Lookup(lookup.weight, lookup.index.flatten(0, 1), lookup.known)
    return each.weighted_sum(shares.flatten(0, 1)).view(rows, places, lookup.weight.shape[1])
