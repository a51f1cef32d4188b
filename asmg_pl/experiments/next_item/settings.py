"""What the study's model, training and weeks are: the published setting, and a small one for a first look."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Clicks of each of the 17 weeks of DIGINETICA, as the authors of ADER have cut it.
DIGINETICA = (
    *(70739, 37586, 31089, 32687, 30419, 57913, 52225, 57100, 69042),
    *(82834, 82935, 50037, 63133, 70050, 71670, 56959, 77065),
)


@dataclass(frozen=True)
class Settings:
    """The settings of a study, by default the published ones.

    Attributes:
        clicks: of each week, in order. Weeks from the second on are tested.
        width: of item vectors and states.
        blocks: of attention, with one head each.
        places: how many clicks of a session are read, the latest ones.
        dropout: of the methods that have it.
        learning_rate: of Adam, whose moments start anew in each period.
        batch_size: examples of a step.
        epochs: the most epochs of a period.
        patience: a period ends after so many epochs without a better Recall@20 on the examples held out.
        held_out: the share of a week's examples that is held out.
        exemplars: how many ADER keeps.
        distillation: ADER's λ, see :func:`~asmg_pl.experiments.next_item.exemplars.distillation_weight`.
        consolidation: EWC's λ, see :mod:`~asmg_pl.experiments.next_item.consolidation`.
        weighed: how many examples of the week before tell EWC what is important.
        window: of how many periods a generator reads the models.
        generator_rate: of a generator's Adam, whose moments start anew in each period.
        generator_passes: over a new week.
        seed: of all that is random.

    Examples:
        >>> FULL.periods, SMALL.periods
        (16, 3)
    """

    clicks: tuple[int, ...] = DIGINETICA
    width: int = 150
    blocks: int = 2
    places: int = 50
    dropout: float = 0.3
    learning_rate: float = 5e-4
    batch_size: int = 256
    epochs: int = 100
    patience: int = 5
    held_out: float = 0.1
    exemplars: int = 30_000
    distillation: float = 0.8
    consolidation: float = 10.0
    weighed: int = 1000
    window: int = 3
    generator_rate: float = 1e-3
    generator_passes: int = 1
    seed: int = 1234

    @property
    def periods(self) -> int:
        """The number of periods; period p is trained on week p-1 and tested on week p."""
        return len(self.clicks) - 1


FULL = Settings()
#: Short weeks, the first clicks of DIGINETICA, for minutes on a CPU.
SMALL = replace(
    FULL, clicks=(12_000, 6_000, 6_000, 6_000), width=32, learning_rate=2e-3, epochs=10, exemplars=3_000, window=1
)
