"""``package.json``, which says what a serving package is, and what each of its files must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from asmg_pl.data.sizes import Feature, Sizes
from asmg_pl.errors import PackageError

FILE = "package.json"
FORMAT = "asmg serving package"
VERSION = 3
#: The version of packages whose ids all have a row: programs that do not know the newer one read them.
WITHOUT_TENANTS = 2
MEND = "restore it, export the package again, or go back to another version (asmg rollback)"


class FileEntry(NamedTuple):
    """What a file of the package must be.

    Attributes:
        bytes: its size.
        sha256: the digest of its content, hexadecimal.
    """

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileEntry:
        """What a file is now."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.stat().st_size, digest)


@dataclass(frozen=True)
class Manifest:
    """The description of a serving package.

    Attributes:
        class_path: the recommender's class.
        init_args: its arguments without ``sizes``: plain values, and nested classes as ``class_path`` and
            ``init_args``.
        sizes: numbers of users, items, categories and values of features that are known to the package. A package of
            version 1 does not name its features.
        models: the names of the models, in the order in which the head reads them.
        head: the head's numbers that are no arrays, ``share`` and ``period``; ``None`` without a head.
        choice: what the guard has chosen, ``served`` and ``why``; ``None`` without a guard.
        history_size: the longest history, T.
        context: the names of the context features, in the order of ``sizes.context``.
        features: each feature that the model reads, with ``name``, ``kind`` and ``role``.
        provenance: what the package was made of, see docs/package-format.md.
        files: the package's files by their path within it.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> model = "asmg_pl.recommenders.TwoTower", {}, Sizes(users=2, items=3), ("serving",)
        >>> plain = Manifest(*model, None, None, 5, (), (), {}, {})
        >>> with TemporaryDirectory() as folder:
        ...     plain.write(Path(folder))
        ...     Manifest.read(Path(folder)).sizes.items
        3
    """

    class_path: str
    init_args: Mapping[str, Any]
    sizes: Sizes
    models: tuple[str, ...]
    head: Mapping[str, Any] | None
    choice: Mapping[str, str] | None
    history_size: int
    context: tuple[str, ...]
    features: tuple[Mapping[str, str], ...]
    provenance: Mapping[str, Any]
    files: Mapping[str, FileEntry]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a package's manifest.

        Raises:
            PackageError: if there is none, it is damaged, or it has another format or version.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_bytes(), parse_constant=_refuse)
        except FileNotFoundError:
            raise PackageError(f"{folder} is no serving package, it has no {FILE}: give the folder of one") from None
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(path, str(error)) from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise _damaged(path, f"its format is not {FORMAT!r}")
        version = content.get("version")
        if type(version) is not int or version < 1:
            raise _damaged(path, f"its version is {version!r:.40}")
        if version > VERSION:
            raise PackageError(
                f"{path} has version {version} of the format, and this program reads up to {VERSION}: update asmg_pl"
            )
        try:
            stated = content.pop("checksum", None)
            if stated != checksum(content):
                raise _Wrong("its content is not what was written")
            return _manifest(content)
        except _Wrong as wrong:
            raise _damaged(path, str(wrong)) from None

    def write(self, folder: Path) -> None:
        """Write the manifest into a package's folder."""
        sizes = {name: value for name, value in self.sizes._asdict().items() if name != "past"}
        for kind in ("context_features", "numbers", "lists"):  # programs of an earlier version read three entries
            sizes[kind] = [each if each.log else each[:-1] for each in sizes[kind]]
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION if any(path.endswith(".tenants.npy") for path in self.files) else WITHOUT_TENANTS,
            "recommender": {
                "class_path": self.class_path,
                "init_args": dict(self.init_args),
                "sizes": sizes,
            },
            **{name: value for name, value in asdict(self).items() if name not in ("class_path", "init_args", "sizes")},
            "context": [
                {"name": name, "values": values} for name, values in zip(self.context, self.sizes.context, strict=True)
            ],
            "files": {path: entry._asdict() for path, entry in self.files.items()},
        }
        content = json.loads(json.dumps(content, allow_nan=False))
        content["checksum"] = checksum(content)
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def same_model(self, other: Manifest) -> bool:
        """Whether another package has the same content, by whichever program and whenever it was written."""
        ours, theirs = ({**asdict(each), "provenance": _undated(each.provenance)} for each in (self, other))
        return bool(ours == theirs)


class _Wrong(Exception):
    """Something in the manifest is not what it must be."""


def checksum(content: Mapping[str, Any]) -> str:
    """A digest of the manifest's other keys, which does not depend on their spelling."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _manifest(content: dict[str, Any]) -> Manifest:
    recommender = _typed(content, "recommender", dict)
    sizes = _typed(recommender, "sizes", dict)
    context = [_typed({"context": each}, "context", dict) for each in _typed(content, "context", list)]
    values = tuple(_count(each, "values") for each in context)
    named = [name for name, *_ in _features(sizes, "context_features")] or [each.get("name") for each in context]
    if sizes.get("context") != list(values) or named != [each.get("name") for each in context]:
        raise _Wrong("its sizes and its context features differ")
    files = _typed(content, "files", dict)
    models = tuple(_each(content, "models", str))
    if not models or len(set(models)) < len(models) or not all(map(_is_name, models)):
        raise _Wrong("its models are not named as a package's are")
    head, choice = (_optional(content, name) for name in ("head", "choice"))
    if head is not None and not (0 < _typed(head, "share", float) < 1 and _count(head, "period") < 2**31):
        raise _Wrong("its head has a share or a period that no head has")
    if choice is not None and not all(isinstance(choice.get(name), str) for name in ("served", "why")):
        raise _Wrong("its choice does not say what serves, or why")
    features = tuple(_each(content, "features", dict))
    if not all(isinstance(each.get(key), str) for each in features for key in ("name", "kind", "role")):
        raise _Wrong("a feature has no name, kind or role")
    if strange := [each["kind"] for each in features if each["kind"] not in ("categorical", "number", "list")]:
        raise _Wrong(f"a feature is of kind {strange[0]!r:.40}, which this program does not know")
    return Manifest(
        class_path=_typed(recommender, "class_path", str),
        init_args=_typed(recommender, "init_args", dict),
        sizes=Sizes(
            users=_count(sizes, "users"),
            items=_count(sizes, "items"),
            categories=_count(sizes, "categories"),
            context=values,
            context_features=_features(sizes, "context_features"),
            numbers=_features(sizes, "numbers"),
            lists=_features(sizes, "lists"),
            labels=tuple(_each(sizes, "labels", str) if "labels" in sizes else ()),
        ),
        models=models,
        head=head,
        choice=choice,
        history_size=_count(content, "history_size"),
        context=tuple(_typed(each, "name", str) for each in context),
        features=features,
        provenance=_typed(content, "provenance", dict),
        files={path: _entry(path, entry) for path, entry in files.items()},
    )


def _features(sizes: dict[str, Any], kind: str) -> tuple[Feature, ...]:
    """The features of a kind; none in a package of version 1, which does not name them."""
    found = []
    for each in _each(sizes, kind, list) if kind in sizes else ():
        name, side, values, log = (*each, *([False] if len(each) == 3 else [])) if len(each) in (3, 4) else [None] * 4
        if not isinstance(name, str) or side not in ("row", "user", "item") or type(log) is not bool:
            raise _Wrong(f"a feature of {kind!r} has no name, or is of no side")
        found.append(Feature(name, side, _count({"values": values}, "values"), log))
    return tuple(found)


def _entry(path: str, entry: Any) -> FileEntry:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\\" in path or not all(map(_is_name, parts)):
        raise _Wrong(f"it names a file outside the package, {path!r:.80}")
    entry = _typed({path: entry}, path, dict)
    digest = _typed(entry, "sha256", str)
    return FileEntry(_count(entry, "bytes"), digest)


def _is_name(name: str) -> bool:
    """Whether a text can name a file within a folder."""
    return name not in ("", ".", "..") and not any(character in name for character in "/\\\0:")


def _typed(content: Mapping[str, Any], key: str, kind: type) -> Any:
    value = content.get(key)
    if type(value) is not kind:
        found = "missing" if key not in content else f"a {type(value).__name__}, not a {kind.__name__}"
        raise _Wrong(f"{key!r} is {found}")
    return value


def _optional(content: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    return None if key in content and content[key] is None else _typed(content, key, dict)


def _each(content: Mapping[str, Any], key: str, kind: type) -> Sequence[Any]:
    values: Sequence[Any] = _typed(content, key, list)
    return [_typed({key: value}, key, kind) for value in values]


def _count(content: Mapping[str, Any], key: str) -> int:
    value: int = _typed(content, key, int)
    if not 0 <= value < 2**63:
        raise _Wrong(f"{key!r} is {value}, which is no count")
    return value


def _undated(provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in provenance.items() if name not in ("written", "program", "commit")}


def _refuse(constant: str) -> Any:
    raise ValueError(f"it has the number {constant}")


def _damaged(path: Path, reason: str) -> PackageError:
    reason = " ".join(reason.split())[:200]
    return PackageError(f"{path} does not describe a serving package ({reason}): {MEND}")
