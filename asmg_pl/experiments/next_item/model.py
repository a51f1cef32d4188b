"""The study's model: SASRec, whose table of items has a row for each item known by then."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asmg_pl.data.batch import Batch
from asmg_pl.data.sizes import Sizes
from asmg_pl.experiments.next_item.settings import Settings
from asmg_pl.randomness.keyed import seeded
from asmg_pl.recommenders import SASRec
from asmg_pl.recommenders.lookup import Lookup


def build(settings: Settings, dropout: float, known: int) -> SASRec:
    """A model at its start. Methods with one seed start from the same numbers.

    Args:
        settings: of the study.
        dropout: of this model.
        known: the number of items.
    """
    with seeded(settings.seed, "model"):
        model = SASRec(Sizes(users=1, items=0), settings.width, settings.places, settings.blocks, 1, dropout)
    grow(model, known, known, settings.seed)
    return model


def grow(model: SASRec, known: int, first: int, seed: int) -> None:
    """Give the table of items the rows of further items, and keep those that it has.

    Args:
        model: the model.
        known: the number of rows that the table has afterwards.
        first: the number of items of the first week, which sets the size of initial vectors.
        seed: a row's initial vector depends on it and on the row's number alone.
    """
    old = model.stored("item").detach()
    rows = torch.arange(len(old), known, device=old.device)
    new = model.initial_rows("item", rows, old.shape[1], first, seed)
    model.tables["item"] = nn.Embedding.from_pretrained(torch.cat([old, new]), freeze=False)


def states(model: SASRec, batch: Batch) -> Tensor:
    """The state at the latest click of each row's history, float [B, D]."""
    ids = model.lookups(batch)["item"]
    return model.user_vectors(batch, {"item": Lookup(model.stored("item"), ids)})


def logits(model: SASRec, batch: Batch) -> Tensor:
    """The scores of all known items, float [B, I]."""
    return states(model, batch) @ model.stored("item").T
