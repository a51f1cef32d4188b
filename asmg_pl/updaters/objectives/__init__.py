"""What a base model is trained on: labels row by row, or the rank of each positive row's item among other items.

binary       each row's logit                                           label 1 or 0
labels       the same, and further labels of the row                    1 or 0 each, or a share
softmax      log Σ exp(logit of an item) - logit of the row's item      over the row's item and the candidates
               full       all items known by then
               sampled    items drawn anew for each step
               in-batch   the items of the mini-batch's positive rows

The fewer candidates, the fewer rows of tables are read, or generated. Where not all items are candidates, each counts
exp(logit) / (how often it is expected among the candidates), so that the sum is expected to be that over all items.
"""

from asmg_pl.updaters.objectives.base import BinaryCrossEntropy, Objective, Step
from asmg_pl.updaters.objectives.further_labels import FurtherLabels
from asmg_pl.updaters.objectives.softmax import FullSoftmax, InBatchSoftmax, SampledSoftmax, Softmax

__all__ = [
    "BinaryCrossEntropy",
    "FullSoftmax",
    "FurtherLabels",
    "InBatchSoftmax",
    "Objective",
    "SampledSoftmax",
    "Softmax",
    "Step",
]
