"""Which class a recommender has, as plain values; and the class again, if the caller allows it.

A package names classes. Importing a module runs its code, so only the recommenders of this program are imported, and
what the caller has allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import nn

import asmg_pl.recommenders as shipped
from asmg_pl.data.sizes import Sizes
from asmg_pl.errors import ConfigError, PackageError
from asmg_pl.recommenders import Recommender

_SHIPPED = shipped.__name__

Build = Callable[[Sizes], Recommender]


def class_path(kind: type) -> str:
    """The path by which a class can be imported.

    Raises:
        ConfigError: if the class is defined within a function.
    """
    if getattr(shipped, kind.__qualname__, None) is kind:
        return f"{_SHIPPED}.{kind.__qualname__}"
    if "<" in kind.__qualname__:
        raise ConfigError(
            f"{kind.__qualname__} is defined within a function, and a serving package names a class that can be "
            "imported: define it at the top of a module"
        )
    return f"{kind.__module__}.{kind.__qualname__}"


def described(recommender: Recommender) -> dict[str, Any]:
    """A recommender's class and arguments without ``sizes``, as plain values: ``class_path`` and ``init_args``.

    Raises:
        ConfigError: if an argument is no plain value.
    """
    kind, arguments = type(recommender), recommender.init_args()
    return {
        "class_path": class_path(kind),
        "init_args": {
            name: described(value) if isinstance(value, Recommender) else _plain(value, f"{kind.__name__}.{name}")
            for name, value in arguments.items()
        },
    }


def build_of(path: str, arguments: Mapping[str, Any], allow: Collection[str] = ()) -> Build:
    """The recommender's class with its arguments, called with sizes.

    Args:
        path: of the class.
        arguments: of the class; a mapping with ``class_path`` and ``init_args`` stands for a class with its arguments.
        allow: paths of further classes that may be imported; one that ends with a dot allows all that begin with it.

    Raises:
        PackageError: if the class may not be imported, or is no recommender.
    """
    return partial(allowed(path, allow), **{name: _value(value, allow) for name, value in arguments.items()})


def allowed(path: str, allow: Collection[str] = ()) -> type[Recommender]:
    """The class of this path; see :func:`build_of`."""
    module, _, name = path.rpartition(".")
    ours = module == _SHIPPED and name in shipped.__all__
    if not ours and not any(path == each or (each.endswith(".") and path.startswith(each)) for each in allow):
        raise PackageError(
            f"the package names the class {path!r:.120}, which is no recommender of this program. To import it, which "
            f"runs its module, allow it: --allow {path:.120}, or allow=[…] in Python"
        )
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PackageError(
            f"the package names the class {path:.120}, which cannot be imported ({error}): install its module, or "
            "start where it can be found"
        ) from None
    if not (isinstance(found, type) and issubclass(found, Recommender)):
        raise PackageError(f"the package names {path:.120}, which is no class of a recommender: export it again")
    return found


def paths_in(described: Any) -> Iterator[str]:
    """The paths of all classes that a recommender's description names, see :func:`described`."""
    if isinstance(described, Mapping):
        if isinstance(path := described.get("class_path"), str):
            yield path
        for value in described.values():
            yield from paths_in(value)


def skeleton(build: Build, sizes: Sizes) -> Recommender:
    """A recommender of shapes without memory, where its class allows that; otherwise one of initial numbers.

    Raises:
        PackageError: if the class cannot be called with its arguments.
    """
    try:
        with torch.device("meta"):
            found = build(sizes)
        kept = found.state_dict()
        if all(name in kept for name, _ in found.named_buffers()):
            return found
    except Exception:  # some classes need numbers to be built; what else is wrong shows again below
        pass
    try:
        return build(sizes)
    except Exception as error:
        raise PackageError(
            f"{getattr(build, 'func', build)} cannot be built with the package's arguments and sizes ({error}): use "
            "the version of the class with which the package was exported"
        ) from error


def growing(build: Build, sizes: Sizes) -> dict[str, bool]:
    """The tensors of a recommender that belong to tables, and whether they grow with the numbers of ids."""
    now, then = (skeleton(build, each).state_dict() for each in (sizes, with_fresh(sizes)))
    return {name: len(then[name]) > len(now[name]) for name in now if name.startswith("tables.")}


def with_fresh(sizes: Sizes) -> Sizes:
    """The sizes with one more id of each kind: the fresh one, which stands for all that are not known."""
    return sizes._replace(
        users=sizes.users + 1,
        items=sizes.items + 1,
        categories=sizes.categories + 1 if sizes.categories else 0,
        context=tuple(values + 1 for values in sizes.context),
        lists=tuple(feature._replace(values=feature.values + 1) for feature in sizes.lists),
    )


def take_over(recommender: Recommender, state: Mapping[str, torch.Tensor]) -> Recommender:
    """Give a recommender these parameters and buffers, which are not copied; it answers requests from now on.

    Raises:
        PackageError: if one is missing, unknown, or of another shape.
    """
    expected = recommender.state_dict()
    for name in expected.keys() ^ state.keys():
        where = "the package has no" if name in expected else "the class has no"
        raise PackageError(f"{where} parameter {name}: use the version of the class that was exported")
    for name, values in state.items():
        if values.shape != expected[name].shape or values.dtype != expected[name].dtype:
            raise PackageError(
                f"parameter {name} is {values.dtype} {list(values.shape)}, and the class has {expected[name].dtype} "
                f"{list(expected[name].shape)}: use the version of the class that was exported"
            )
    for path, values in state.items():
        module, _, name = path.rpartition(".")
        owner = recommender.get_submodule(module)
        if name in dict(owner.named_parameters(recurse=False)):
            setattr(owner, name, nn.Parameter(values, requires_grad=False))
        else:
            setattr(owner, name, values)
    return recommender.requires_grad_(False).eval()


def _plain(value: Any, name: str) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each, name) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(each, name) for key, each in value.items()}
    raise ConfigError(
        f"{name} is a {type(value).__name__}, and a serving package names only plain values: numbers, texts, lists and "
        "recommenders; let init_args() of the class give those from which it can be built again"
    )


def _value(value: Any, allow: Collection[str]) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"class_path", "init_args"}:
        path, arguments = value["class_path"], value["init_args"]
        if not isinstance(path, str) or not isinstance(arguments, Mapping):
            raise PackageError("the package names a class in another way than by class_path and init_args")
        return build_of(path, arguments, allow)
    return value
