"""ADER's study of next-item prediction: a model trained on one week of sessions is tested on the next week.

settings ─▶ weeks ─▶ sessions ─┬─▶ training ─▶ ranks        one period of one method
                               └─▶ exemplars                what ADER keeps of the weeks before
methods ─▶ walking ─▶ finished                              all periods; each is kept when it is done
study ─▶ table, picture                                     all methods, beside the published figures

The protocol differs from the walk of the other commands: a period is trained in many epochs with early stopping, and
what is scored is the rank of the next item among all items. Source: Mi, Lin and Faltings, "ADER: Adaptively Distilled
Exemplar Replay Towards Continual Learning for Session-based Recommendation", RecSys 2020.
"""

from asmg_pl.experiments.next_item.settings import FULL, SMALL, Settings
from asmg_pl.experiments.next_item.study import study

__all__ = ["FULL", "SMALL", "Settings", "study"]
