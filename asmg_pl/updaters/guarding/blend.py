"""Blends: models between the incremental and the generated one, θ + α(θ* − θ) in every parameter.

A blend is scored from the rows that a mini-batch touches, interpolated as they are looked up. There is no copy of the
tables. A whole model is made only where one is asked for, to export it or to answer requests.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.recommenders import Recommender
from asmg_pl.recommenders.touched import touched_rows


def blend_name(alpha: float) -> str:
    """The name of a blend as a candidate.

    Examples:
        >>> blend_name(0.5)
        'blend_0.5'
    """
    return f"blend_{alpha:g}"


@torch.no_grad()
def logits_between(
    base: Recommender, generated: Recommender, alphas: Iterable[float], batch: Batch
) -> dict[float, Tensor]:
    """Logits [B] on a mini-batch of θ + α(θ* − θ), by the share α: of the incremental model at 0, the generated at 1.

    All models share one request for rows.

    Args:
        base: the incremental model θ.
        generated: the generated model θ*.
        alphas: the shares of the blends, between 0 and 1.
        batch: the mini-batch.
    """
    asked = base.requests(batch)
    pairs, places = {}, {}
    for name, request in asked.items():
        known = base.rows_known(name)
        if known <= request.rows.numel():  # to look for the distinct rows would take longer than all of them
            pairs[name] = base.stored(name)[:known], generated.stored(name)[:known]
            places[name] = request.rows
        else:
            touched, (places[name],) = touched_rows([request.rows], known)
            pairs[name] = F.embedding(touched, base.stored(name)), F.embedding(touched, generated.stored(name))
    found = {}
    for alpha, model in ((0.0, base), (1.0, generated)):
        found[alpha] = model(batch, {n: each.answer(model.stored(n), each.rows) for n, each in asked.items()})
    dense = base.dense_parameters(), generated.dense_parameters()
    for alpha in alphas:
        lookups = {n: asked[n].answer(torch.lerp(*pair, alpha), places[n]) for n, pair in pairs.items()}
        parameters = {name: torch.lerp(value, dense[1][name], alpha) for name, value in dense[0].items()}
        found[alpha] = base.score_with(parameters, batch, lookups)
    return found


@torch.no_grad()
def blended(base: Recommender, generated: Recommender, alpha: float) -> Recommender:
    """A blend as a whole model, a copy.

    Args:
        base: the incremental model θ.
        generated: the generated model θ*.
        alpha: the share of the generated model.
    """
    model = copy.deepcopy(generated)
    for value, start in zip(model.parameters(), base.parameters(), strict=True):
        value.copy_(torch.lerp(start, value, alpha))
    return model
