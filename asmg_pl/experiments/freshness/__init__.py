"""What lateness and forgetting cost: the models that served, scored on later and on earlier periods.

        kept ──▶ cells ──▶ curve ──▶ half_life
     models of    each model on    means by age, on     how fast the loss
    past periods  many periods     the same periods     comes
                                       │
                                 sentence, figure
"""

from asmg_pl.experiments.freshness.measuring import measure

__all__ = ["measure"]
