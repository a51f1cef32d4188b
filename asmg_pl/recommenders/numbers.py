"""Numeric features: scaled with moments of the past, and what stands for a missing one.

raw 12.5, NaN ─▶ [logarithm] ─▶ (x - mean) / std ─▶ [signed logarithm] ─▶ 1.3, 0 ─┐
              └▶ is it missing? ───────────────────────────────────▶ 0, 1 ──────┴─▶ [B, M, 2]

The moments are no parameters. Whoever trains a model tells it those of the rows that it may know by then.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Feature
from asmg_pl.recommenders.features import Part
from asmg_pl.recommenders.kernels import numbers as kernel


class Numbers(nn.Module):
    """Scales the numbers of a mini-batch: two numbers for each feature, the scaled value and whether it is missing.

    Where the stream says so (``Feature.log``), a number's logarithm is scaled, with the moments of the logarithms.
    A missing value counts as the mean. What it means beyond that, a recommender learns from the second number. The
    moments are buffers, so that they are saved and served with the model.

    Attributes:
        mean: of each feature, float32 [M]; ``None`` without numbers.
        std: the standard deviation of each feature, float32 [M], positive; ``None`` without numbers.

    Examples:
        >>> scale = Numbers([Feature("price", "item"), Feature("age", "user")])
        >>> scale.take(torch.tensor([10.0, 40.0]), torch.tensor([2.0, 10.0]))
        >>> rows = torch.tensor([[14.0, torch.nan]])
        >>> scale.scaled(rows)  # the price is two standard deviations above its mean, the age is missing
        tensor([[[2., 0.],
                 [0., 1.]]])
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, features: Sequence[Feature], log: bool = False) -> None:
        """Begin without moments: numbers are as they are in the stream.

        Args:
            features: in the order of the batches' ``numbers``.
            log: whether the logarithm of a scaled number is taken, sign(z)·log(1 + abs(z)), so that a few very large
                values do not outweigh all others.
        """
        super().__init__()
        self.features, self.log = tuple(features), log
        logged = [feature.log for feature in features]
        self._logged: Tensor | None
        self.register_buffer("_logged", torch.tensor(logged) if any(logged) else None, persistent=False)
        self.register_buffer("mean", torch.zeros(len(features)) if features else None)
        self.register_buffer("std", torch.ones(len(features)) if features else None)

    def count(self, part: Part = Part.ALL) -> int:
        """The number of features of a side."""
        return len(self.places(part))

    def places(self, part: Part) -> list[int]:
        """Where the features of a side stand among all."""
        return [place for place, feature in enumerate(self.features) if part.has(feature)]

    @torch.no_grad()
    def take(self, mean: Tensor, std: Tensor) -> None:
        """Scale with these moments from now on, float [M] each.

        A feature that has had no value, or always the same one, is not divided.
        """
        assert self.mean is not None
        assert self.std is not None
        self.mean.copy_(mean.nan_to_num(nan=0.0))
        self.std.copy_(torch.where(std.isfinite() & (std > 0), std, 1.0))

    def scaled(self, numbers: Tensor) -> Tensor:
        """Raw numbers, float [B, M] with NaN for a missing one, scaled and beside 1 for a missing one, [B, M, 2]."""
        assert self.mean is not None
        assert self.std is not None
        if self._logged is not None:
            numbers = torch.where(self._logged, numbers.sign() * numbers.abs().log1p(), numbers)
        if not self.log and kernel.computes(numbers, self.mean, self.std):
            return kernel.scaled(numbers, self.mean, self.std)
        missing = numbers.isnan()
        found = ((numbers - self.mean) / self.std).masked_fill(missing, 0.0)
        if self.log:
            found = found.sign() * found.abs().log1p()
        return torch.stack([found, missing.to(found.dtype)], dim=-1)

    def forward(self, batch: Batch, part: Part = Part.ALL) -> Tensor:
        """The scaled numbers of a side, float [B, m, 2]."""
        assert batch.numbers is not None
        found = self.scaled(batch.numbers)
        return found if part is Part.ALL else found[:, self.places(part)]

    def columns(self, batch: Batch, part: Part = Part.ALL) -> list[Tensor]:
        """The same as one tensor of columns, float [B, 2m], in a list, which is empty for a side without numbers."""
        return [self(batch, part).flatten(1)] if self.count(part) else []


class NumberVectors(Numbers):
    """A vector for each numeric feature, times its value, and one that stands for its absence.

    So a number is a field like any other.

    Attributes:
        vectors: those of value and absence of each feature in turn, float [2M, D]; ``None`` without numbers.
    """

    vectors: nn.Parameter | None

    def __init__(self, features: Sequence[Feature], width: int, log: bool = False) -> None:
        """Make the vectors, which start at 0.

        Args:
            features: in the order of the batches' ``numbers``.
            width: D, the width of a field.
            log: see :class:`Numbers`.
        """
        super().__init__(features, log)
        self.register_parameter("vectors", nn.Parameter(torch.zeros(2 * len(features), width)) if features else None)

    def joined(self, batch: Batch, part: Part = Part.ALL, columns: slice = slice(None)) -> list[Tensor]:
        """The fields of a side's numbers as one tensor in a list, which is empty without numbers.

        Args:
            batch: the mini-batch.
            part: the side.
            columns: which of the D numbers of a field are wanted.

        Returns:
            float [B, m, D'].
        """
        if not self.count(part):
            return []
        assert self.vectors is not None
        scaled, vectors = self(batch, part), self.vectors[:, columns].unflatten(0, (-1, 2))
        vectors = vectors if part is Part.ALL else vectors[self.places(part)]
        if kernel.computes(scaled, vectors):
            return [kernel.fields(scaled, vectors.flatten(0, 1))]
        return [scaled[..., :1] * vectors[:, 0] + scaled[..., 1:] * vectors[:, 1]]

    def fields(self, batch: Batch, part: Part = Part.ALL) -> list[Tensor]:
        """A field for each number of a side, float [B, D]."""
        return [field for joined in self.joined(batch, part) for field in joined.unbind(1)]
