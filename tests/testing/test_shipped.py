"""Every class of the package keeps the rules that an author's own class is checked against."""

from __future__ import annotations

from functools import partial

import pytest
from updaters.test_growth import RECOMMENDERS, UPDATERS

from asmg_pl.generators import GRUGenerator, LinearGenerator, ResidualGRU, VanillaCells
from asmg_pl.recommenders import Hashed
from asmg_pl.testing import check_generator, check_recommender, check_updater

GENERATORS = {
    **{kind.__name__: kind for kind in (GRUGenerator, LinearGenerator, ResidualGRU)},
    "vanilla": partial(GRUGenerator, cell=VanillaCells),
}


@pytest.mark.parametrize("name", [*RECOMMENDERS, "hashed items"])
def test_recommenders(name: str) -> None:
    check_recommender(partial(Hashed, items=5) if name == "hashed items" else RECOMMENDERS[name])


@pytest.mark.parametrize("name", GENERATORS)
def test_generators(name: str) -> None:
    check_generator(GENERATORS[name])


FAST = ("Frozen", "residual")  # and IncrementalUpdate, which is the example of check_updater


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in UPDATERS]
)
def test_updaters(name: str) -> None:
    check_updater(UPDATERS[name])
