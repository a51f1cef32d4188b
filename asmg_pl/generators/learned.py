"""A few numbers per period that tell people what a generator has learned.

The walk does not depend on them. They cost one pass over the tables when the serving model has been made, without a
matrix product, and a look at a sample of the rows. With sharded tables they describe the rows of the first rank.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from asmg_pl.generators import Generator
from asmg_pl.generators.history import ParameterHistory
from asmg_pl.recommenders import Recommender

#: Evenly spaced rows of a table that stand for all its rows in the quantities of a generator.
SAMPLE = 1024

#: Rows of a table that are compared at a time.
CHUNK = 65536

Learned = dict[str, dict[str, float]]


@torch.no_grad()
def learned_quantities(
    generator: Generator, history: ParameterHistory, base: Recommender, serving: Recommender
) -> Learned:
    """Quantities by name, for each table and, as ``"dense"``, for all dense parameters together.

    ``"moved"`` is the distance of the serving model's parameters from the base model's, ‖Θ*_t − Θ_t‖ / ‖Θ_t‖. The other
    quantities come from :meth:`asmg_pl.generators.Generator.learned`. Only rows that have appeared count. Where ranks
    share out a table's rows, the rows of the first rank stand for all.
    """
    found: Learned = {}
    served = serving.table_parameters()
    for name, table in base.table_parameters().items():
        known = base.rows_known(name)
        rows = torch.arange(0, known, max(1, math.ceil(known / SAMPLE)), device=table.device)
        found[name] = {
            "moved": _moved(served[name][:known], table[:known]),
            **generator.learned(name, *history.rows(name, rows)),
        }
    dense = history.flat(base)
    if len(dense):
        found["dense"] = {
            "moved": _moved(history.flat(serving), dense),
            **generator.learned(None, *history.dense_window()),
        }
    return found


def _moved(served: Tensor, base: Tensor) -> float:
    pairs = list(zip(served.split(CHUNK), base.split(CHUNK), strict=True))
    size = math.hypot(*(float(torch.linalg.vector_norm(now)) for _, now in pairs))
    distance = math.hypot(*(float(torch.linalg.vector_norm(then - now)) for then, now in pairs))
    return distance / size if size else math.nan
