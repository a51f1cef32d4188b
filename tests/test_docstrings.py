"""Every public class has an example in its docstring, and all examples of the package come out as they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import asmg_pl

PACKAGE = Path(asmg_pl.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>>" in path.read_text()
}

#: Packages all of whose public names have an example, and single names of others.
PUBLIC = ("generators", "metrics", "recommenders", "updaters", "data", "data.sources", "testing")
SINGLE = (
    "callbacks.ServingExport",
    "data.negatives.Fresh",
    "generators.history.ParameterHistory",
    "metrics.results.PeriodResult",
    "walk",
)
WITHOUT = {"BrokenRule"}  # an error


def names() -> list[str]:
    whole = [f"{package}.{name}" for package in PUBLIC for name in import_module(f"asmg_pl.{package}").__all__]
    return [name for name in [*whole, *SINGLE] if name.rpartition(".")[2] not in WITHOUT]


@pytest.mark.parametrize("name", names())
def test_it_has_an_example(name: str) -> None:
    home, _, last = name.rpartition(".")
    found = getattr(import_module(f"asmg_pl.{home}" if home else "asmg_pl"), last)
    assert ">>> " in (found.__doc__ or ""), f"the docstring of {name} has no example"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_its_examples_are_true(module: str) -> None:
    found = import_module(module)
    result = doctest.testmod(found, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
