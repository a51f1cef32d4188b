"""Self-tuning: which settings of a base model race along the stream, and how the race is judged.

periods     11 … 24                      25 …
            race of all settings         one copy trains; now and then the leader races a neighbour
            clear losers leave early     extra mini-batches stay below a share of its own
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from asmg_pl.errors import ConfigError
from asmg_pl.updaters.checks import check_at_least, check_positive

#: The base model's learning rate where none is given.
DEFAULT_RATE = 1e-3


class Setting(NamedTuple):
    """How a base model is trained on a new period.

    Attributes:
        learning_rate: of its Adam.
        batch_size: rows of a mini-batch; ``None`` for ``data.batch_size``.
        passes: how often it goes over the period.
    """

    learning_rate: float
    batch_size: int | None
    passes: int

    def __str__(self) -> str:
        """The setting in words."""
        rows = "" if self.batch_size is None else f", batch {self.batch_size}"
        return f"rate {self.learning_rate:g}{rows}, {self.passes} pass{'es' * (self.passes > 1)}"


class SelfTuning:
    """Which settings race, and by what the leader is chosen.

    All combinations race from the first update until the first test period, each as a copy of the models with its own
    moments. The copies are judged by the LogLoss of what each of them would serve, on rows that are trained on only
    afterwards. The copy that leads before a period is the one that serves it, and gives its official scores. Clear
    losers leave early. The winner's weights and moments go on. Then the leader races a neighbour now and then, both
    from the leader's weights and moments: one after the other before the tests, later as often as ``budget`` allows.

    A setting that the updater itself is given (``model.learning_rate``, ``model.batch_size``, ``model.passes``) is
    fixed, and does not race.

    Examples:
        >>> tuning = SelfTuning(learning_rates=[1e-3, 3e-3], batch_sizes=[64, 256])
        >>> [str(setting) for setting in tuning.settings(None, None, passes=2)]  # doctest: +NORMALIZE_WHITESPACE
        ['rate 0.001, batch 64, 2 passes', 'rate 0.001, batch 256, 2 passes', 'rate 0.003, batch 64, 2 passes',
         'rate 0.003, batch 256, 2 passes']
    """

    def __init__(
        self,
        learning_rates: Sequence[float] = (3e-3, 1e-3, 1e-2),
        batch_sizes: Sequence[int] = (256, 64),
        passes: Sequence[int] = (1,),
        decay: float = 0.9,
        margin: float = 1.0,
        dropped_at: float = 2.0,
        dropped_after: int = 3,
        budget: float = 0.4,
        race_periods: int = 4,
    ) -> None:
        """Choose the settings and the rules.

        Args:
            learning_rates: the rates that race; the first of them pre-trains, and leads at the beginning. An empty list
                leaves the rate alone.
            batch_sizes: the rows of a mini-batch that race, likewise.
            passes: the passes over a new period that race, likewise.
            decay: what remains of a period's weight in the comparison after each further period, from 0.8 to 1: at
                0.8, the last five periods have two thirds of the weight.
            margin: by how many standard errors of the mean difference another setting must be better to lead.
            dropped_at: by how many standard errors a setting must be worse than the leader to leave the race.
            dropped_after: how many periods must have scored a setting before it can leave.
            budget: how many mini-batches later races may take in the test periods, as a share of what the leader takes;
                0 for no later race at all.
            race_periods: how many periods a later race lasts.
        """
        for name, values in {"learning_rates": learning_rates, "batch_sizes": batch_sizes, "passes": passes}.items():
            for value in values:
                check_positive(**{f"self_tuning.{name}": value})
            if len(set(values)) < len(values):
                raise ConfigError(f"model.self_tuning.{name} names a value twice: {list(values)}")
        check_at_least(1, **{"self_tuning.dropped_after": dropped_after, "self_tuning.race_periods": race_periods})
        if not 0.8 <= decay <= 1:
            raise ConfigError(f"model.self_tuning.decay must be from 0.8 to 1, got {decay}")
        for name, value in {"margin": margin, "dropped_at": dropped_at, "budget": budget}.items():
            if not value >= 0:
                raise ConfigError(f"model.self_tuning.{name} must not be negative, got {value}")
        self.learning_rates = tuple(learning_rates)
        self.batch_sizes = tuple(batch_sizes)
        self.passes = tuple(passes)
        self.decay = decay
        self.margin = margin
        self.dropped_at = dropped_at
        self.dropped_after = dropped_after
        self.budget = budget
        self.race_periods = race_periods

    def settings(self, learning_rate: float | None, batch_size: int | None, passes: int | None) -> list[Setting]:
        """The settings that race.

        Args:
            learning_rate: the rate that is fixed; ``None`` if rates race.
            batch_size: the rows of a mini-batch that are fixed.
            passes: the passes that are fixed.
        """
        rates = self.learning_rates if learning_rate is None else (learning_rate,)
        sizes = self.batch_sizes if batch_size is None else (batch_size,)
        repeats = self.passes if passes is None else (passes,)
        return [Setting(*each) for each in product(rates or (DEFAULT_RATE,), sizes or (None,), repeats or (1,))]


#: Nothing races.
FIXED = SelfTuning(learning_rates=(), batch_sizes=(), passes=())


def neighbours(settings: Sequence[Setting], number: int) -> list[int]:
    """The settings that differ from one in one value, and there by one step of its values.

    Args:
        settings: all of them.
        number: of the one.
    """
    axes = [sorted({setting[axis] or 0 for setting in settings}) for axis in range(len(Setting._fields))]
    places = [[axis.index(value or 0) for axis, value in zip(axes, setting, strict=True)] for setting in settings]
    own = places[number]
    return [k for k, place in enumerate(places) if sum(abs(a - b) for a, b in zip(place, own, strict=True)) == 1]
