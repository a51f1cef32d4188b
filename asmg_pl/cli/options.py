"""What the command line takes: groups of options, kinds of classes, and what a misspelt one may have meant."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from lightning import Callback, Trainer
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy

from asmg_pl.callbacks.defaults import CALLBACKS
from asmg_pl.data import PeriodDataModule
from asmg_pl.data.cutting.periods import Periods
from asmg_pl.data.negatives import Fresh
from asmg_pl.data.sources import Source
from asmg_pl.errors import ConfigError
from asmg_pl.generators import Cells, Generator
from asmg_pl.recommenders import Recommender
from asmg_pl.updaters import Updater

#: Classes whose arguments are options, by the name of their group.
GROUPS: dict[str, type] = {"trainer": Trainer, "data": PeriodDataModule, **CALLBACKS}

#: Options that name a class, and what the class must be.
KINDS: dict[str, type] = {
    "model": Updater,
    "recommender": Recommender,
    "generator": Generator,
    "cell": Cells,
    "source": Source,
    "periods": Periods,
    "negatives": Fresh,
    "strategy": Strategy,
    "logger": Logger,
    "callbacks": Callback,
    "profiler": Profiler,
    "accelerator": Accelerator,
}

ALONE = ("config", "ckpt_path", "seed_everything", "print_config", "help")


def explained(message: str) -> str:
    """A parser's message, with what a misspelt option or class may have meant.

    Args:
        message: of a parser that did not take an option, or a value for one that names a class.
    """
    if found := re.search(r"unrecognized arguments: (.*)", message):
        given = [word.lstrip("-").partition("=")[0] for word in found[1].split() if word.startswith("-")]
        near = [f"--{name}" for word in given for name in near_options(word)]
    elif found := re.search(r"ambiguous option: --([\w.]+) could match", message):
        message, near = f"there is no option --{found[1]}", [f"--{name}" for name in near_options(found[1])]
    elif found := re.search(r"(Option|Key|accept option) ['\"]([\w.]+)['\"]", message):
        kind, name = found.groups()
        near = near_options(name) if "." in name or kind == "accept option" else _near_anywhere(name)
        if near == [name]:
            return f"{message} here: it must come after the class, or the --config, that has it"
    elif found := re.search(r"Parser key \"([\w.]+)\":", message):
        return _with_classes(found[1], message)
    else:
        return message
    return f"{message}; did you mean {' or '.join(near)}?" if near else message


def near_options(name: str) -> list[str]:
    """The option that is spelt most like a name, if one is.

    Args:
        name: a path like ``data.batch_size``, or only its last part.
    """
    *parents, last = [part for part in name.split(".") if part != "init_args"]
    if parents and parents[-1] in KINDS:
        among = parameters(*classes(KINDS[parents[-1]]))
    elif len(parents) == 1 and parents[0] in GROUPS:
        among = parameters(GROUPS[parents[0]])
    else:
        paths = [f"{group}.{option}" for group, kind in GROUPS.items() for option in sorted(parameters(kind))]
        paths += [f"model.{option}" for option in sorted(parameters(*classes(Updater)))]
        if parents or (near := get_close_matches(name, [*ALONE, "model", *GROUPS], 1, 0.7)):
            return get_close_matches(name, paths, 1, 0.75) if parents else near
        by_last = {path.partition(".")[2]: path for path in reversed(paths)}
        return [by_last[near] for near in get_close_matches(name, by_last, 1, 0.75)]
    return [name.removesuffix(last) + near for near in get_close_matches(last, sorted(among), 1, 0.7)]


def _near_anywhere(name: str) -> list[str]:
    """The name of an option of any class that is spelt most like a name; none if the name is that of a group."""
    kinds = [found for kind in KINDS.values() for found in classes(kind)]
    if name in ("model", *GROUPS):
        return []
    return get_close_matches(name, sorted(parameters(*GROUPS.values(), *kinds)), 1, 0.7)


def classes(kind: type) -> list[type]:
    """The public classes of a kind that can be made, those of the package first."""
    return sorted(
        {found for found in _subclasses(kind) if found.__name__[0] != "_" and not inspect.isabstract(found)},
        key=lambda found: (not found.__module__.startswith("asmg_pl."), found.__name__),
    )


def parameters(*kinds: type) -> set[str]:
    """The names of all arguments of some classes, and of the classes that they go on to."""
    own = [one for kind in kinds for one in kind.__mro__ if "__init__" in vars(one) and one is not object]
    return {
        name
        for one in {*kinds, *own}
        for name, found in inspect.signature(one).parameters.items()
        if name != "self" and found.kind not in (found.VAR_POSITIONAL, found.VAR_KEYWORD)
    }


def refuse_word(option: str, given: str, words: Iterable[str]) -> None:
    """Refuse a word for an option of the trainer that takes a word or a class, if it is neither.

    Raises:
        ConfigError: with what may have been meant.
    """
    names = {found.__name__ for found in classes(KINDS[option])}
    if "." in given or given in names:
        return
    near = get_close_matches(given, [*words, *sorted(names)], 1, 0.6)
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(words))}"
    raise ConfigError(f"trainer.{option} cannot be {given}: {meant}")


def _with_classes(option: str, message: str) -> str:
    """Which class an option may have meant, and which there are."""
    kind = KINDS.get(option.split(".")[-1])
    given = re.search(r"(?:import path string: |class_path '|Got value: |Given value: )([\w.]+)", message)
    if kind is None or given is None:
        return message
    found = {one.__name__: one for one in classes(kind) if one is not kind}
    near = get_close_matches(given[1].rpartition(".")[2], found, 1, 0.7)
    if near == [given[1]]:
        return message  # what is wrong are its arguments
    meant = f" Did you mean {near[0]}?" if near else ""
    ours = [name for name, one in found.items() if one.__module__.startswith("asmg_pl.") and kind is not Callback]
    there = f" There are {', '.join(ours)}." if ours else ""
    reason = re.search(r"No module named '[^']*'|module '[^']*' has no attribute '[^']*'", message)
    if "." not in given[1]:
        return f"{option}: there is no class {given[1]}.{meant}{there} A class of your own is given as module.Class"
    if reason is None:
        return message  # the module is there, and says itself what is wrong
    where = " Modules of your own are looked up in the working folder"
    return f"{option}: there is no class {given[1]} ({reason[0]}).{meant}{there}{where}"


def _subclasses(kind: type) -> Iterator[type]:
    yield kind
    below: type
    for below in kind.__subclasses__():
        yield from _subclasses(below)
