"""The package uses what its libraries document, and none of their private names."""

from __future__ import annotations

import ast
from pathlib import Path

import asmg_pl

PACKAGE = Path(asmg_pl.__file__).parent
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}

#: Names that begin with an underscore although their library documents them.
DOCUMENTED = {"_make", "_replace", "_asdict", "_fields", "_exit"}


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def own_names() -> set[str]:
    """All names that the package itself gives to something."""
    found: set[str] = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    found.add(name)
    return found


def test_no_attribute_with_a_private_name_is_read_that_the_package_does_not_define() -> None:
    own = own_names()
    read = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in own
    ]
    assert read == []


def test_nothing_private_is_imported() -> None:
    imported = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if any(private(part) for part in name.split("."))
    ]
    assert imported == []
