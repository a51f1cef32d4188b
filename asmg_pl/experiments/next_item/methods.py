"""The methods of the study: on which weeks a period is trained, from where it starts, and what holds it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from asmg_pl.generators import Generator, ParameterShapes, ResidualGRU, RowGenerator


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes:
        name: as the command line and the published figures have it.
        title: as tables have it.
        dropout: whether training has dropout.
        exemplars: whether exemplars of earlier weeks are replayed, see
            :mod:`asmg_pl.experiments.next_item.exemplars`.
        consolidated: whether leaving parameters that the week before has made important costs something, see
            :mod:`asmg_pl.experiments.next_item.consolidation`.
        generator: makes a generator, whose model is tested in the place of the trained one, see
            :mod:`asmg_pl.experiments.next_item.generation`; ``None`` for none.
        anew: whether each period trains a new model on all weeks so far.
    """

    name: str
    title: str
    dropout: bool = True
    exemplars: bool = False
    consolidated: bool = False
    generator: Callable[[ParameterShapes], Generator] | None = None
    anew: bool = False

    def weeks(self, period: int) -> range:
        """The weeks that a period is trained on; it is tested on the week after them."""
        return range(0 if self.anew else period - 1, period)


#: It reads no counts of updates, which are those of mini-batches with few items, and starts from no state.
_ROWS = partial(RowGenerator, counts_updates=False, carries_values=False)

METHODS = {
    method.name: method
    for method in (
        Method("finetune", "Finetune", dropout=False),
        Method("dropout", "Dropout"),
        Method("ewc", "EWC", dropout=False, consolidated=True),
        Method("ader", "ADER", exemplars=True),
        Method("joint", "Joint", anew=True),
        Method("asmg", "ASMG", dropout=False, generator=ResidualGRU),
        Method("row", "ASMG, rows", dropout=False, generator=_ROWS),
    )
}
