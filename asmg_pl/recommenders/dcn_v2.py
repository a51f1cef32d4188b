"""DCN-V2: layers that cross the fields with each other, and an MLP on what they give.

fields, numbers ─▶ x_0 ─┬────────────────┬─ … ─▶ x_L ─▶ MLP ─▶ logit
                        └▶ cross ─▶ x_1 ─┴▶ …

x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders.base import glorot_uniform_
from asmg_pl.recommenders.lookup import Lookup
from asmg_pl.recommenders.mlp import ReluMLP
from asmg_pl.recommenders.of_fields import OfFields
from asmg_pl.recommenders.pooling import field_sides, joined_columns


class Cross(nn.Module):
    """One layer that multiplies the input's numbers with those of the layer before, float [B, N] each.

    Examples:
        >>> import torch
        >>> layer = Cross(width=6, rank=2)
        >>> layer(torch.rand(3, 6), torch.rand(3, 6)).shape
        torch.Size([3, 6])
    """

    def __init__(self, width: int, rank: int | None = None) -> None:
        """Make the weights.

        Args:
            width: N.
            rank: of W, which is then a product of two matrices; by default W has full rank.
        """
        super().__init__()
        whole = nn.Linear(width, width)
        self.weight = (
            whole if rank is None else nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
        )

    def forward(self, first: Tensor, latest: Tensor) -> Tensor:
        """The next x from the first and the latest one."""
        found: Tensor = first * self.weight(latest) + latest
        return found


class DCNv2(OfFields):
    """Crosses of the fields, explicit and of a degree that grows with each layer, then an MLP (the stacked form).

    The fields and the numbers are those of :class:`EmbeddingMLP`. Everything starts Glorot uniform, tables and biases
    included. Source: Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning
    to Rank Systems", WWW 2021. Its mixture of low-rank experts is left out.

    Examples:
        >>> import torch
        >>> from asmg_pl.data.sources import DriftingStream
        >>> log = DriftingStream(users=9, items=9, rows=99, categories=3).read(None)

        >>> model = DCNv2(log.sizes, cross_layers=3, rank=4)
        >>> model(log.batch(torch.arange(5), history_size=3)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        sizes: Sizes,
        embedding_dim: int = 8,
        hidden: list[int] | None = None,
        cross_layers: int = 2,
        rank: int | None = None,
        log_numbers: bool = False,
    ) -> None:
        """Build the model.

        Args:
            sizes: numbers of users, items and categories (0: no category table), and the features.
            embedding_dim: width of each embedding.
            hidden: widths of the MLP's hidden layers; by default a half and a quarter of the input's width.
            cross_layers: how many layers cross; the products have up to one factor more.
            rank: of the crossing weights; by default they have full rank.
            log_numbers: whether the logarithm of scaled numbers is taken, see
                :class:`~asmg_pl.recommenders.numbers.Numbers`.

        Raises:
            ConfigError: if there is no layer that crosses, or the rank is below 1.
        """
        super().__init__(sizes, embedding_dim, log_numbers)
        for name, value in {"cross_layers": cross_layers, "rank": rank}.items():
            if value is not None and value < 1:
                raise ConfigError(f"recommender.{name} must be at least 1, got {value}")
        width = embedding_dim * len(field_sides(sizes)) + 2 * len(sizes.numbers)
        self.crosses = nn.ModuleList(Cross(width, rank) for _ in range(cross_layers))
        self.mlp = ReluMLP([width, *([width // 2, width // 4] if hidden is None else hidden), 1])
        for parameter in self.parameters():
            glorot_uniform_(parameter.data)

    def score(self, batch: Batch, lookups: Mapping[str, Lookup]) -> Tensor:
        """Logits [B]."""
        first = latest = joined_columns(batch, lookups, self.features, self.numbers.columns(batch))
        for cross in self.crosses:
            latest = cross(first, latest)
        logits: Tensor = self.mlp(latest)
        return logits.squeeze(-1)
