"""The house's plan: which package stands on which, read from the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import asmg_pl

PACKAGE = Path(asmg_pl.__file__).parent

#: A file imports from its own package and from those before it. Packages in one line do not know each other.
LAYERS = """
errors
system
storage
randomness
data
metrics
recommenders
serving
generators
checkpoints
distributed
updaters
callbacks
walk
convert prepare
experiments
operations
testing
cli
__init__ __main__
"""

HEIGHT = {name: height for height, line in enumerate(LAYERS.split("\n")) for name in line.split()}


def module(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, wherever in it, for types alone too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from inner & MODULES.keys()
            if inner - MODULES.keys():
                yield node.module


def layer(name: str) -> str:
    """The package, or the file at the top, that holds a module."""
    return name.split(".")[1] if "." in name else "__init__"


@pytest.mark.parametrize("name", MODULES)
def test_a_file_imports_from_its_own_layer_or_lower_ones(name: str) -> None:
    here = layer(name)
    for other in imported(MODULES[name]):
        there = layer(other)
        assert there == here or HEIGHT[there] < HEIGHT[here], f"{name} imports {other}"


def test_no_circle_of_imports() -> None:
    graph = {name: set(imported(path)) - {name} for name, path in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises where there is a circle


def test_every_package_has_its_layer_and_no_other_file_stands_at_the_top() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files <= {"__init__", "__main__", "walk", "errors"}
    assert packages | files <= HEIGHT.keys()
