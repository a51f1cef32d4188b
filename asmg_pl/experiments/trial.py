"""A trial: a method at one setting, and the part of the setting that decides on its pre-trained model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asmg_pl.experiments.run_files import settings_of
from asmg_pl.system.escaping import terminal

Options = tuple[tuple[str, str], ...]

#: Bytes of a folder's name; file systems take 255.
LONGEST = 200


def sets_start(option: str) -> bool:
    """Whether an option changes the start of a walk: its data, its pre-trained model, or the split of its periods."""
    section, _, name = option.partition(".")
    if section == "data":
        return name not in ("batch_size", "scoring_batch_size")
    return section == "model" and name.removeprefix("init_args.").startswith(("recommender", "pretrain", "test_from"))


def options_in(file: Path) -> Iterator[str]:
    """The options that a configuration file sets, as deep as :func:`sets_start` needs them."""
    for section, body in settings_of(file).items():
        names = body if isinstance(body, dict) else {}
        inner = names.get("init_args")
        yield from (f"{section}.{name}" for name in {**names, **(inner if isinstance(inner, dict) else {})})


def names_start(file: Path) -> bool:
    """Whether a method's file asks for a start of its own.

    A rate of pre-training alone does not: in a study, all that share a base model start from the same one.
    """
    return any(sets_start(option) and not option.endswith("pretrain_learning_rate") for option in options_in(file))


def label(options: Iterable[tuple[str, str]]) -> str:
    """A short name for options with their values, fit for a folder.

    >>> label([("data.batch_size", "256"), ("model.init_args.passes", "2")])
    'batch_size=256,passes=2'
    """
    short = [(option.split(".", 1)[-1].replace("init_args.", ""), value) for option, value in options]
    whole = ",".join(f"{option}={value}" for option, value in short)
    name = terminal(whole).replace("/", "∕")
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256(whole.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{name.encode()[: LONGEST - 16].decode(errors='ignore')}…{digest}"


@dataclass(frozen=True)
class Trial:
    """A method at one setting.

    Attributes:
        name: of its folder in the study's folder.
        files: the method's configuration files; later ones override earlier ones.
        options: further options with their values.
    """

    name: str
    files: tuple[Path, ...]
    options: Options = ()

    def start(self) -> Trial:
        """The part of the trial that pre-training depends on; trials with the same part start from the same models."""
        files = tuple(file for file in self.files if names_start(file))
        options = tuple((option, value) for option, value in self.options if sets_start(option))
        parts = [*(file.stem for file in files), *([label(options)] if options else [])]
        return Trial("pretraining/" + (",".join(parts) or "common"), files, options)

    def arguments(self) -> tuple[str, ...]:
        """The trial as arguments of ``asmg fit``."""
        files = [argument for file in self.files for argument in ("--config", str(file))]
        return (*files, *(argument for option, value in self.options for argument in (f"--{option}", value)))


def trials_of(method: Path, tuned: Path | None = None, tuned_only: bool = False) -> list[Trial]:
    """A method with the settings of its own file, and, as ``NAME_tuned``, with its chosen ones if it has been tuned.

    Args:
        method: its file.
        tuned: the folder of chosen settings.
        tuned_only: leave the settings of the method's own file out if it has been tuned.
    """
    chosen = [Trial(f"{method.stem}_tuned", (method, file)) for file in tuned_files(method, tuned)]
    return chosen if chosen and tuned_only else [Trial(method.stem, (method,)), *chosen]


def tuned_files(method: Path, folder: Path | None) -> tuple[Path, ...]:
    """The file with a method's chosen settings, if it has been tuned."""
    tuned = folder / method.name if folder else None
    return (tuned,) if tuned and tuned.exists() else ()
