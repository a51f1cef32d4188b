"""The generator's Adam: a learning rate that falls from period to period, and a decay towards the identity."""

from __future__ import annotations

from typing import Any

from asmg_pl.errors import ConfigError
from asmg_pl.generators import Generator
from asmg_pl.updaters.checks import check_positive
from asmg_pl.updaters.optim.adam import Adam


class GeneratorAdam(Adam):
    """Adam over a generator's parameters, whose moments are carried from period to period.

    Examples:
        >>> from asmg_pl.generators import ParameterShapes, TrendGenerator
        >>> optimizer = GeneratorAdam(TrendGenerator(ParameterShapes({"item": 2}, {})), lr=1e-2, rate_decay=0.5)
        >>> optimizer.begin(period=2)  # the third one that trains the generator
        >>> optimizer.param_groups[0]["lr"]
        0.0025
    """

    def __init__(self, generator: Generator, lr: float, rate_decay: float = 1.0, weight_decay: float = 0.0) -> None:
        """Create the optimiser.

        Args:
            generator: whose parameters are trained.
            lr: the learning rate in the first period.
            rate_decay: the factor of the learning rate from period to period.
            weight_decay: the share of the learning rate by which a step draws the parameters to 0 that make the
                generator the identity there, as in AdamW.
        """
        drawn = generator.identity_at_zero() if weight_decay else []
        groups: list[Any] = [{"params": [p for p in generator.parameters() if all(p is not each for each in drawn)]}]
        groups.append({"params": drawn, "weight_decay": weight_decay, "decoupled_weight_decay": True})
        super().__init__([group for group in groups if group["params"]], lr)
        self._first_rate, self._rate_decay = lr, rate_decay

    def begin(self, period: int) -> None:
        """Set the learning rate for a period, which is numbered from 0, the first that trains the generator."""
        for group in self.param_groups:
            group["lr"] = self._first_rate * self._rate_decay**period


def check_generator_adam(generator: Generator, lr: float, rate_decay: float, weight_decay: float) -> None:
    """Check the settings, named as those of :class:`~asmg_pl.updaters.ASMG`.

    Raises:
        ConfigError: naming the first setting that cannot be used.
    """
    check_positive(generator_learning_rate=lr, generator_rate_decay=rate_decay)
    if not 0 <= weight_decay < 1 / lr:
        raise ConfigError(
            f"model.generator_weight_decay must be from 0 to below 1 / generator_learning_rate, got {weight_decay}"
        )
    if weight_decay and not generator.identity_at_zero():
        raise ConfigError(
            f"model.generator_weight_decay draws a generator back to the identity, and {type(generator).__name__} has "
            "none: leave it out, or choose ResidualGRU, RowGenerator or TrendGenerator"
        )
