"""Ids and their names: from raw names to ids and back, without reading all names.

    ids/item.parquet        column ``name``, by id: for other programs
    ids/item.names.npy      integers as int64 [m], or the bytes of all strings, UTF-8
    ids/item.ends.npy       of strings: where each one ends, int64 [m]
    ids/item.keys.npy       keys of the names, uint64 [n], sorted
    ids/item.ids.npy        the id of each key, int32 [n]
    ids/item.tenants.npy     where ids come and go: those that have a row of their own, ascending, int32 [m]

A key is the integer itself, or the first 8 bytes of the BLAKE2b digest of the string. All but the Parquet file are
mapped, and a look-up reads a few pages. Where ids come and go, the package has the names of the m ids with a row alone;
the others are found by their keys, since their histories and categories still count. Otherwise m is n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from asmg_pl.errors import DataError, PackageError, RequestError

Name = int | str

#: Bytes that no name has, since they are no UTF-8.
NO_NAME = b"\xff"


class Ids:
    """The ids of one kind of names.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from asmg_pl.serving.arrays import map_array
        >>> with TemporaryDirectory() as folder:
        ...     write_ids(["b", "a"], Path(folder, "item"))
        ...     ids = Ids(lambda name: map_array(Path(folder, f"item.{name}.npy")), strings=True)
        ...     ids.find(["a", "c", "b"]).tolist(), ids.names([1, 0])
        ([1, -1, 0], ['a', 'b'])
    """

    def __init__(self, array: Callable[[str], np.ndarray], strings: bool, tenants: np.ndarray | None = None) -> None:
        """Map the arrays.

        Args:
            array: gives an array of these ids by name: ``"keys"``, ``"ids"``, ``"names"`` and, of strings, ``"ends"``.
            strings: whether names are strings; otherwise they are integers.
            tenants: the ids that have a name, ascending, int32 [m]; by default each id has one.

        Raises:
            PackageError: if an array is not what it must be.
        """
        self.strings = strings
        self._keys = _checked(array("keys"), np.uint64, "keys")
        self._ids = _checked(array("ids"), np.int32, "ids")
        self._names = _checked(array("names"), np.uint8 if strings else np.int64, "names")
        self._ends = _checked(array("ends"), np.int64, "ends") if strings else None
        self._tenants = tenants
        named = len(self._names if self._ends is None else self._ends)
        counts = {len(self._keys), len(self._ids), *([named] if tenants is None else [])}
        if len(counts) > 1:
            raise PackageError(f"the arrays of ids have {sorted(counts)} entries, and must have equally many")
        if tenants is not None and len(tenants) != named:
            raise PackageError(f"there are {named:,} names for {len(tenants):,} ids with a row of their own")

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, names: Sequence[Any] | np.ndarray) -> np.ndarray:
        """The ids of names, int64 [n]; -1 for a name that is not known.

        A whole number and its usual spelling are one name: ``17`` finds ``"17"``, and the other way round.
        """
        if not len(self._keys):
            return np.full(len(names), -1, np.int64)
        if self.strings:
            return self._find_strings(_as_bytes(names))
        keys, possible = _integer_keys(names)
        places = self._places(keys)
        return np.where((self._keys[places] == keys) & possible, self._ids[places], -1).astype(np.int64)

    def find_one(self, name: Name) -> int:
        """The id of one name, -1 if it is not known; a request has one user, and arrays of one number take longer."""
        if self.strings:
            (given,) = _as_bytes([name])
            key = int(_keys_of_bytes([given])[0])
        else:
            integer = _integer(name)
            if integer is None:
                return -1
            key = integer % 2**64
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if place == len(self._keys) or int(self._keys[place]) != key:
            return -1
        number = int(self._ids[place])
        if not self.strings:
            return number
        (named,) = self._named(np.array([number]))
        return number if named < 0 or self._bytes(int(named)) == given else -1

    def _find_strings(self, names: list[bytes]) -> np.ndarray:
        keys = _keys_of_bytes(names)
        places = self._places(keys)
        found = np.where(self._keys[places] == keys, self._ids[places], -1).astype(np.int64)
        named = self._named(found)
        there = np.flatnonzero(named >= 0)
        given = names if len(there) == len(names) else [names[place] for place in there.tolist()]
        found[there[~self._are(named[there], given)]] = -1  # another string may have the same key
        return found

    def _named(self, numbers: np.ndarray) -> np.ndarray:
        """Where the name of each id stands among the names, int64 [n]; -1 of an id without one, and of -1."""
        if self._tenants is None:
            return numbers
        places = np.searchsorted(self._tenants, numbers)
        places[places == len(self._tenants)] = 0
        return np.where(self._tenants[places] == numbers, places, -1) if len(self._tenants) else places - 1

    def _places(self, keys: np.ndarray) -> np.ndarray:
        """Where each key stands among all keys, if it is there, int64 [n]."""
        places = np.searchsorted(self._keys, keys)
        places[places == len(self._keys)] = 0
        return places

    def _are(self, places: np.ndarray, names: list[bytes]) -> np.ndarray:
        """Whether these names stand at these places among the names, which are strings, bool [n]."""
        assert self._ends is not None
        begins = np.where(places > 0, self._ends[places - 1], 0)
        lengths = self._ends[places] - begins
        if lengths.tolist() == list(map(len, names)):  # nearly always they are: compared at once
            starts = lengths.cumsum() - lengths
            bytes_there = self._names[np.repeat(begins - starts, lengths) + np.arange(int(lengths.sum()))]
            if bytes_there.tobytes() == b"".join(names):
                return np.ones(len(names), bool)
        return np.array([self._bytes(place) == name for place, name in zip(places.tolist(), names, strict=True)], bool)

    def name(self, number: int) -> Name:
        """The name of an id that has one."""
        return self.names([number])[0]

    def _bytes(self, place: int) -> bytes:
        """The name at a place among the names, which are strings, in UTF-8."""
        assert self._ends is not None
        begin = int(self._ends[place - 1]) if place else 0
        return self._names[begin : int(self._ends[place])].tobytes()

    def names(self, numbers: Iterable[int]) -> list[Name]:
        """The names of ids that have one."""
        places = self._named(np.fromiter(numbers, np.int64))
        if self._ends is None:
            found: list[Name] = self._names[places].tolist()
            return found
        begins = np.where(places > 0, self._ends[places - 1], 0).tolist()
        parts = zip(begins, self._ends[places].tolist(), strict=True)
        return [self._names[begin:end].tobytes().decode() for begin, end in parts]


def write_ids(names: Sequence[Name] | np.ndarray, path: Path, tenants: np.ndarray | None = None) -> None:
    """Write the files of one kind of ids.

    Args:
        names: distinct integers or strings, by id.
        path: of the files, without the part of their names from the dot on: ``ids/item``.
        tenants: the ids whose names are written, ascending, int32 [m]; by default those of all ids.

    Raises:
        DataError: if two names have one key.
    """
    import polars as pl  # only a writer needs it

    strings = len(names) > 0 and not isinstance(names[0], int | np.integer)
    arrays: dict[str, np.ndarray] = {} if tenants is None else {"tenants": tenants}
    if strings:
        encoded = [str(name).encode() for name in names]
        kept = encoded if tenants is None else [encoded[number] for number in tenants.tolist()]
        arrays["names"] = np.frombuffer(b"".join(kept), np.uint8)
        arrays["ends"] = np.cumsum([len(each) for each in kept], dtype=np.int64)
        keys = _keys_of_bytes(encoded)
    else:
        integers = np.asarray(names, np.int64)
        arrays["names"] = integers if tenants is None else integers[tenants]
        keys = integers.view(np.uint64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    twins = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twins):
        both = [names[int(order[twins[0] + step])] for step in (0, 1)]
        raise DataError(f"the names {both[0]!r} and {both[1]!r} of {path.name} have one key: rename one of them")
    for name, array in (arrays | {"keys": keys, "ids": order.astype(np.int32)}).items():
        np.save(path.with_name(f"{path.name}.{name}.npy"), array)
    kind = pl.String if strings else pl.Int64
    series = pl.Series("name", names, kind)
    if tenants is not None:
        has_name = np.zeros(len(names), bool)
        has_name[tenants] = True
        series = pl.select(name=pl.when(pl.Series(has_name)).then(series)).to_series()
    series.to_frame().write_parquet(path.with_name(f"{path.name}.parquet"))


def _keys_of_bytes(names: Iterable[bytes]) -> np.ndarray:
    """The keys of strings, which are given in UTF-8, uint64 [n]."""
    return np.frombuffer(b"".join([blake2b(name, digest_size=8).digest() for name in names]), "<u8").astype(np.uint64)


def _as_bytes(names: Sequence[Any] | np.ndarray) -> list[bytes]:
    """Each name in UTF-8; of what can be no name, bytes that are no UTF-8."""
    if set(map(type, names)) == {str}:
        return [name.encode("utf-8", "surrogatepass") for name in names]
    can_be = (isinstance(name, str | int | np.integer) and _is_no_truth(name) for name in names)
    return [
        str(name).encode("utf-8", "surrogatepass") if possible else NO_NAME
        for name, possible in zip(names, can_be, strict=True)
    ]


def _integer_keys(names: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The key of each name, uint64 [n], and whether it can be an integer at all, bool [n]."""
    if isinstance(names, np.ndarray) and names.dtype.kind in "iu":
        possible = np.ones(len(names), bool) if names.dtype.kind == "i" else names < 2**63
        return names.astype(np.int64).view(np.uint64), possible
    numbers = [_integer(name) for name in names]
    keys = np.array([number or 0 for number in numbers], np.int64).view(np.uint64)
    return keys, np.array([number is not None for number in numbers], bool)


def _integer(name: Any) -> int | None:
    """The whole number that a name is, or spells in the usual way; ``None`` if it is none that 64 bits hold."""
    if isinstance(name, str):
        try:
            number = int(name)
        except ValueError:
            return None
        if str(number) != name:
            return None
    elif isinstance(name, int | np.integer) and _is_no_truth(name):
        number = int(name)
    else:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _is_no_truth(name: Any) -> bool:
    return not isinstance(name, bool | np.bool_)


def _checked(array: np.ndarray, kind: type, name: str) -> np.ndarray:
    if array.dtype != kind or array.ndim != 1:
        raise PackageError(
            f"the array {name} of ids holds {array.dtype} {list(array.shape)}, not a row of {kind.__name__}"
        )
    return array


def check_name(name: Any, what: str) -> None:
    """Check that a name in a request can be one.

    Raises:
        RequestError: if it is neither an integer nor a string.
    """
    if not isinstance(name, int | str | np.integer) or isinstance(name, bool):
        raise RequestError(f"{what} is {name!r:.60}, a {type(name).__name__}: give an integer or a string")
