"""Tallies a model's scores of all candidates, or of drawn ones, for chunks of cases.

    cases, a chunk at a time ────────────────▶ users' sides, once ─┐
                                                                   ├─▶ scores [c, m] ─▶ tally
    items known by then, a block at a time ──▶ items' sides, once ─┘

A model without sides scores whole rows instead. No more than a block of scores is in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asmg_pl.data.batch import Batch
from asmg_pl.data.cases import Cases
from asmg_pl.randomness.keyed import fraction
from asmg_pl.recommenders.touched import chunks
from asmg_pl.serving.sided import Side, SidedModel, at, part
from asmg_pl.updaters.top_k.tally import Tally

#: Cases of a chunk, and items of a block.
CASES, ITEMS = 128, 16384

#: How often a drawn candidate that is excluded is drawn again.
TRIES = 20


class Chunk(NamedTuple):
    """Consecutive cases, on the device.

    Attributes:
        places: among all cases, int64 [c].
        cases: the cases themselves.
        batch: their rows.
    """

    places: Tensor
    cases: Cases
    batch: Batch

    @classmethod
    def of(cls, cases: Cases, places: Tensor, batch: Batch) -> Chunk:
        """Take some of all cases.

        Args:
            cases: all, on the CPU.
            places: of the chunk's cases, consecutive, int64 [c].
            batch: their rows, on the device.
        """
        first, last, device = int(places[0]), int(places[-1]) + 1, batch.user.device
        place, item = cases.excluded
        begin, end = torch.searchsorted(place, torch.tensor([first, last])).tolist()
        excluded = (place[begin:end] - first).to(device), item[begin:end].to(device)
        rows, user, own, candidates = (
            column[first:last].to(device) for column in (cases.rows, cases.user, cases.item, cases.candidates)
        )
        weight = None if cases.weight is None else cases.weight[first:last].to(device)
        return cls(places.to(device), Cases(rows, user, own, candidates, excluded, cases.drawn, weight), batch)


def tallies(
    model: SidedModel, mine: Sequence[Chunk], longest: int, sample: int | None = None, seed: int = 0
) -> list[Tally]:
    """The tally of each chunk.

    Args:
        model: scores users and items.
        mine: the chunks.
        longest: the longest list, K.
        sample: how many candidates are drawn for a case; ``None`` for all candidates.
        seed: of the draw.
    """
    sides = [model.user_side(chunk.batch) for chunk in mine]
    found = [_begun(model, chunk, side, longest) for chunk, side in zip(mine, sides, strict=True)]
    if sample is not None:
        for chunk, side, tally in zip(mine, sides, found, strict=True):
            _add_drawn(model, chunk, side, tally, sample, seed)
    elif mine:
        last = max(int(chunk.cases.candidates.max()) for chunk in mine)
        for items in chunks(0, last, ITEMS, mine[0].places.device):
            theirs = model.item_side(items)
            for side, tally in zip(sides, found, strict=True):
                tally.add(items, model.matrix(side, theirs))
    return found


def _begun(model: SidedModel, chunk: Chunk, side: Side, longest: int) -> Tally:
    """A tally that knows the scores of the cases' own items."""
    cases = chunk.cases
    own = model.item_side(cases.item.masked_fill(cases.missed, 0))
    score = model.matrix(side, own).diagonal().clone()
    return Tally(cases.item, cases.candidates, cases.excluded, score, longest)


def _add_drawn(model: SidedModel, chunk: Chunk, side: Side, tally: Tally, sample: int, seed: int) -> None:
    """Count the candidates that are drawn; each of them is scored once for the chunk's users."""
    drawn, counts = draw(chunk.cases, sample, seed)
    distinct, place = drawn.unique(return_inverse=True)
    theirs = model.item_side(distinct)
    for row in range(len(drawn)):
        scores = model.join(part(side, slice(row, row + 1)), at(theirs, place[row]))
        tally.add_drawn(row, scores, counts[row])


def draw(cases: Cases, sample: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw candidates, by seed and row alone: uniformly, with replacement, neither excluded nor the case's own item.

    Args:
        cases: for which to draw.
        sample: how many for each.
        seed: of the draw.

    Returns:
        Items, int64 [c, sample]; and whether they count, bool [c, sample]. One that was excluded in all of ``TRIES``
        draws does not.
    """
    device, count = cases.rows.device, len(cases.rows)
    number = cases.rows[:, None] * sample + torch.arange(sample, device=device)
    width = int(torch.maximum(cases.candidates, cases.item + 1).max())
    place, item = cases.excluded
    place, item = place[item < width], item[item < width]
    own = torch.arange(count, device=device) * width + cases.item
    barred = torch.cat([place * width + item, own]).unique()
    drawn, open_ = torch.zeros_like(number), torch.ones_like(number, dtype=torch.bool)
    for attempt in range(TRIES):
        row, column = open_.nonzero(as_tuple=True)
        luck = fraction(number[row, column], seed, "ranked candidates", attempt)
        chosen = (luck * cases.candidates[row]).long()
        drawn[row, column] = chosen
        key = row * width + chosen
        open_[row, column] = barred[torch.searchsorted(barred, key).clamp(max=len(barred) - 1)] == key
        if not bool(open_.any()):
            break
    return drawn, ~open_
