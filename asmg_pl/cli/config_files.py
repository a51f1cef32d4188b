"""Configuration files: found by name where the program is installed, read strictly, laid over earlier options."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from fnmatch import fnmatchcase
from glob import glob
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile  # type: ignore[attr-defined]

from asmg_pl.cli.moved import updated
from asmg_pl.errors import ConfigError

log = logging.getLogger(__name__)

#: The folder ``configs/`` of the repository, which is installed with the package.
INSTALLED = Path(__file__).parents[1] / "configs"


class ConfigFile(ActionConfigFile):
    """The option ``--config``: a file, or the name of an installed one (``demo`` or ``configs/methods/iu.yaml``)."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Lay the file's settings over what has been given before it, and say so where that was an option.

        Raises:
            ConfigError: if the file is missing or cannot be read.
        """
        if "://" not in values and not values.lstrip().startswith("{"):
            path = find(values)
            given = read(path)
            settings = dict(_flat(given))
            for option, value in options_before(sys.argv, values):
                found = settings.get(_plain(option))
                if found is not None and str(found) != value:
                    log.warning(
                        "--%s %s is overridden by %s, which has %s: give options after the files",
                        *(option, value, values, found),
                    )
            values = _as_of_now(path, given)
        super().__call__(parser, cfg, values, option_string)  # type: ignore[no-untyped-call]


def _as_of_now(path: Path, settings: dict[str, Any]) -> str:
    """The file's path or, if it names classes where an earlier version had them, its content with the paths of now."""
    moved: dict[str, str] = {}
    content = updated(settings, moved)
    if not moved:
        return str(path)
    log.warning("%s is of an earlier version: %s", path, ", ".join(f"{old} is now {new}" for old, new in moved.items()))
    return yaml.safe_dump(content)


def find(name: str, option: str = "--config", group: str = "") -> Path:
    """The file of this name, or the installed one.

    Args:
        name: a path, ``configs/demo.yaml`` for example, or only ``demo``.
        option: which option names it, for messages.
        group: a folder in ``configs/`` whose files can be named without it: with ``methods``, ``iu`` will do.

    Raises:
        ConfigError: if there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    short, installed = _short(name), _installed()
    for known in (f"{group}/{short}", short):
        if known in installed:
            return installed[known]
    if path.is_dir():
        raise ConfigError(f"{option} {name} is a folder: name a file in it")
    of_group = {known.removeprefix(f"{group}/"): known for known in installed}
    near = get_close_matches(short, [*of_group, *installed], 1, 0.7)
    there = ", ".join(sorted(known for known in of_group if "/" not in known and (not group or known not in installed)))
    meant = (
        f": did you mean configs/{of_group.get(near[0], near[0])}.yaml?"
        if near
        else f": there are {there}, and more in folders"
    )
    raise ConfigError(f"{option}: there is no file {name}, and no installed configuration of that name{meant}")


def find_all(pattern: str, option: str = "--config", group: str = "") -> list[Path]:
    """The files that fit a pattern like ``configs/methods/*.yaml``, or else the installed ones; see :func:`find`.

    Raises:
        ConfigError: if none fits.
    """
    if not any(character in pattern for character in "*?[") or Path(pattern).exists():
        return [find(pattern, option, group)]
    found = sorted(Path(path) for path in glob(pattern) if Path(path).is_file())
    installed, short = _installed(), _short(pattern)
    for known in (f"{group}/{short}", short):
        found = found or [installed[name] for name in sorted(installed) if fnmatchcase(name, known)]
    if not found:
        raise ConfigError(f"{option}: no file fits {pattern}, and no installed configuration")
    return found


def find_folder(name: str, option: str) -> Path:
    """A folder of configurations, or the installed one of this name, ``configs/tuned/movietweetings`` for example.

    Raises:
        ConfigError: if there is neither.
    """
    if Path(name).is_dir():
        return Path(name)
    installed = {path.relative_to(INSTALLED).as_posix(): path for path in INSTALLED.rglob("*") if path.is_dir()}
    if (short := _short(name).rstrip("/")) in installed:
        return installed[short]
    raise ConfigError(f"{option}: there is no folder {name}, and no installed one of that name")


def read(path: Path) -> dict[str, Any]:
    """A file's settings.

    Raises:
        ConfigError: naming file and line, if it is no YAML, has a key twice, or no settings by name.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_twins(yaml.compose(text, yaml.SafeLoader), path)
        found = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8 (byte {error.start}): save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        tab = ": indent with blanks, not with tabs" if "'\\t'" in str(error.problem) else ""
        raise ConfigError(f"the configuration {path}{line} is no YAML: {error.problem}{tab}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"the configuration {path} is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"the configuration {path} is nested too deeply") from None
    if found is None:
        raise ConfigError(f"the configuration {path} is empty")
    if not isinstance(found, dict):
        raise ConfigError(f"the configuration {path} is a {type(found).__name__}, not settings by name, like data:")
    if strange := [key for key in found if not isinstance(key, str)]:
        raise ConfigError(f"the configuration {path} has the key {strange[0]!r}, which is no name")
    return found


def options_before(arguments: Sequence[str], config: str) -> list[tuple[str, str]]:
    """The options that stand on a command line before a configuration file, with their values."""
    found: list[tuple[str, str]] = []
    words = list(arguments)
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option[:1] != "-":
            continue
        if not equals and words and words[0][:2] != "--":
            value = words.pop(0)
        if option in ("--config", "-c"):
            if value == config:
                return found
        else:
            found.append((option.lstrip("-"), value))
    return []


def file_with(key: str, arguments: Sequence[str]) -> str | None:
    """The last configuration file on a command line that has a setting of this name; ``None`` if an option has it.

    Args:
        key: a path, or its last part.
        arguments: the words of the command line.
    """
    words = [word.partition("=") for word in arguments]
    options = [(word.lstrip("-"), value or after[0]) for (word, _, value), after in pairwise([*words, ("", "", "")])]
    if any(_names(option, key) for option, _ in options if option not in ("config", "c")):
        return None
    files = [value for option, value in options if option in ("config", "c")]
    return next((file for file in reversed(files) if _has(file, key)), None)


def _has(file: str, key: str) -> bool:
    with suppress(ConfigError, OSError):
        return any(_names(path, key) for path, _ in _flat(read(find(file))))
    return False


def _names(path: str, key: str) -> bool:
    """Whether a setting's path has a key, or begins or ends with it."""
    return f".{_plain(key)}." in f".{_plain(path)}."


def _short(name: str) -> str:
    """The name of an installed configuration as it may be given, without its folder and its ending."""
    return name.removeprefix("configs/").removesuffix(".yaml")


def _installed() -> dict[str, Path]:
    """All installed configurations by their short names."""
    return {found.relative_to(INSTALLED).with_suffix("").as_posix(): found for found in _yaml_in(INSTALLED)}


def _yaml_in(folder: Path) -> list[Path]:
    return [path for place in (folder, *(p for p in folder.rglob("*") if p.is_dir())) for path in place.glob("*.yaml")]


def _plain(key: str) -> str:
    """A setting's path without the words that only say how a class is given."""
    return ".".join(part for part in key.split(".") if part not in ("init_args", "class_path"))


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values of nested settings, by path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield _plain(key), value


def _refuse_twins(root: yaml.Node | None, path: Path) -> None:
    """Refuse a mapping that has a key twice, of which YAML would take the last."""
    nodes, seen = [root], set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                nodes.append(value)
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                    raise ConfigError(
                        f"the configuration {path} has {key.value}: twice, in lines {lines[key.value]} and {line}, of "
                        "which only one would count: put them together"
                    )
