"""What lateness and forgetting cost: the models that served, scored on later and on earlier periods.

kept ──▶ scoring ──▶ cells ──▶ curve ──▶ half_life        from a run's checkpoints to numbers
                                 └─▶ sentence, picture    what they say
"""

from asmg_pl.experiments.freshness.measuring import measure

__all__ = ["measure"]
