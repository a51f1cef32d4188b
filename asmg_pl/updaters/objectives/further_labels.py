"""The objective of several labels of a row, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from asmg_pl.data.batch import Batch
from asmg_pl.errors import ConfigError
from asmg_pl.recommenders import LabelHeads, Recommender
from asmg_pl.updaters.losses import cross_entropy, row_mean
from asmg_pl.updaters.objectives.base import Objective, Step


class FurtherLabels(Objective):
    """The cross-entropy of each row's label, and of its further labels, each with a weight.

    A further label that nobody knows adds nothing. The recommender is
    :class:`~asmg_pl.recommenders.LabelHeads`. The loss is that of the label, and the sum of each weight times the mean
    over all rows.

    Examples:
        >>> from asmg_pl.data.sizes import Sizes
        >>> from asmg_pl.recommenders import LabelHeads
        >>> FurtherLabels({"buy": 0.5}).check(LabelHeads(Sizes(users=9, items=9, labels=("dwell", "buy"))))
    """

    asks = True

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Weigh the labels.

        Args:
            weights: by further label, what it counts beside the label's 1; labels without one count 0.

        Raises:
            ConfigError: if there is none, or one is negative or not finite.
        """
        if not weights:
            raise ConfigError("model.objective.weights names no label: give one, as {buy: 0.5}, or leave objective out")
        for name, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ConfigError(f"model.objective.weights: {name!r} must count 0 or more, got {weight}")
        self.weights = dict(weights)
        self._values = torch.zeros(0)

    def check(self, recommender: Recommender, accumulate: int = 1) -> None:
        """Refuse a model without heads, and labels that it has no head for."""
        if not isinstance(recommender, LabelHeads):
            raise ConfigError(
                f"model.objective FurtherLabels needs a head for each label, {type(recommender).__name__} has none: "
                "put asmg_pl.recommenders.LabelHeads around it as model.recommender, or leave model.objective out"
            )
        for name in self.weights:
            if name not in recommender.labels:
                raise ConfigError(
                    f"model.objective.weights: the stream has no label {name!r}, only {', '.join(recommender.labels)}: "
                    "name one of these"
                )
        self._values = torch.tensor([self.weights.get(name, 0.0) for name in recommender.labels])

    def asked(self, batch: Batch, step: Step) -> Batch:
        """The mini-batch, with the weights of its further labels."""
        return batch._replace(label_weights=self._values.to(batch.label.device))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The weighted sum of mean cross-entropies of logits [B, 1+K]."""
        assert batch.labels is not None
        assert batch.label_weights is not None
        known = batch.labels.isfinite()
        each = binary_cross_entropy_with_logits(logits[:, 1:], batch.labels.where(known, 0.0), reduction="none")
        return cross_entropy(logits[:, 0], batch.label, batch) + row_mean((each * known) @ batch.label_weights, batch)
