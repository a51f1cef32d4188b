"""Embedding&MLP, the base model of the ASMG paper.

user ─────────────▶ embedding ──────────────────────────┐
latest items ─────▶ [item embedding, mean of categories] ─ mean ─┼─▶ MLP ─▶ logit
item ─────────────▶ [item embedding, mean of categories] ────────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.log import Sizes
from asmg_pl.recommenders.base import Lookup, Recommender, glorot_uniform_


class EmbeddingMLP(Recommender):
    """Embeddings of user, history and item into a small MLP with ReLU and one logit.

    Everything starts Glorot uniform, tables and biases included. Source: Peng et al. (RecSys 2021), base model.
    """

    def __init__(self, sizes: Sizes, embedding_dim: int = 8, hidden: list[int] | None = None) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category table).
            embedding_dim: width of each embedding.
            hidden: widths of the hidden layers; by default a half and a quarter of the input's width, which is
                20 and 10 with categories, 12 and 6 without.
        """
        super().__init__()
        tables = {"user": sizes.users, "item": sizes.items}
        if sizes.categories:
            tables["category"] = sizes.categories
        self.tables = nn.ModuleDict({name: nn.Embedding(rows, embedding_dim) for name, rows in tables.items()})
        width = embedding_dim * (5 if sizes.categories else 3)
        widths = [width, *([width // 2, width // 4] if hidden is None else hidden)]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def lookups(self, batch: Batch) -> dict[str, Tensor]:
        """Ids: user [B]; item and history side by side [B, 1+T]; their categories [B, 1+T, C]."""
        items = torch.cat([batch.item[:, None], batch.history], dim=1)
        ids = {"user": batch.user, "item": items}
        if batch.categories is not None:
            ids["category"] = batch.categories[items].clamp(min=0)
        return ids

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        places = torch.arange(batch.history.shape[1], device=batch.user.device)
        real = places < batch.history_length[:, None]  # [B, T]
        share = real / batch.history_length.clamp(min=1)[:, None]  # a mean over real entries; 0 where there is none
        past = slice(1, None)
        items = lookups["item"]
        history, item = [items.columns(past).weighted_sum(share)], [items.columns(0).vectors()]
        if batch.categories is not None:
            categories = lookups["category"]
            known = (batch.categories[torch.cat([batch.item[:, None], batch.history], dim=1)] >= 0).float()  # [B,1+T,C]
            known = known / known.sum(-1, keepdim=True).clamp(min=1)
            history.append(categories.columns(past).weighted_sum(known[:, past] * share[..., None]))
            item.append(categories.columns(0).weighted_sum(known[:, 0]))
        logits: Tensor = self.mlp(torch.cat([lookups["user"].vectors(), *history, *item], dim=-1))
        return logits.squeeze(-1)
